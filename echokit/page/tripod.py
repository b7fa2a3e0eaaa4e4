"""Model card and TRIPOD+AI table: what the run itself can say, and what is left to its authors.

Items: Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378.
"""

from __future__ import annotations

from echokit.lock import Lock

AUTHORS = "for the authors to write"


def tripod(lock: Lock, facts: dict[str, str]) -> list[tuple[str, str, str]]:
    """The table: number, item, and what the run says of it.

    Args:
        lock: Of the run.
        facts: Words about the run: ``division``, ``score``, ``training``.
    """
    recipe, content = lock.recipe, lock.content
    data = content["data"]
    weights = content.get("weights")
    steps = ", ".join(use.name for use in recipe.preprocess) or "none"
    packages = content.get("environment", {}).get("packages", {})
    torch = packages.get("torch", "see the lock")
    start = f"weights of {weights['source']}" if weights else "random weights"
    n = sum(split["cases"] for split in data["splits"].values()) if data["splits"] else data["cases"]
    metrics = ", ".join(use.name for use in recipe.evaluate)
    return [
        ("1", "Title", AUTHORS),
        ("2", "Abstract", AUTHORS),
        ("3", "Background and intended use", AUTHORS),
        ("4", "Objectives", f"to tell {recipe.target.positive} ({recipe.target.definition})"),
        ("5a", "Source of data", f"{data['name']}" + (" (PHANTOM DATA: synthetic)" if lock.phantom else "")),
        ("5b", "Dates of the data", AUTHORS),
        ("6", "Participants and setting", AUTHORS),
        ("7", "Data preparation", f"{steps}; exact settings in the lock"),
        ("8", "Outcome", f"{recipe.target.definition}; how it was measured is {AUTHORS}"),
        ("9", "Predictors", f"{recipe.fusion.name} on the video ({recipe.clip.name} of frames)"),
        ("10", "Sample size", f"{n:,} videos used, {data['unreadable']:,} unreadable; why so many is {AUTHORS}"),
        ("11", "Missing data", f"{data['unreadable']:,} unreadable videos left out, each named in the notes"),
        ("12a", "Division of the data", facts["division"]),
        ("12c", "Model", f"{recipe.backbone.name}, {recipe.fusion.name}, from {start}"),
        ("12c", "Training", facts["training"]),
        ("12e", "Measures of performance", metrics),
        ("13", "Class imbalance", f"objective {recipe.objective.name}; see its settings in the lock"),
        ("14", "Fairness", f"subgroups where the recipe asks for them; otherwise {AUTHORS}"),
        ("15", "Output and threshold", facts["score"]),
        ("16", "Training versus evaluation", "parts of the same data; differences between settings are unknown here"),
        ("17", "Ethical approval", AUTHORS),
        ("18a", "Funding and conflicts", AUTHORS),
        ("18c", "Protocol and registration", AUTHORS),
        ("18e", "Availability of the data", AUTHORS),
        ("18f", "Availability of the code", f"echokit {content['echokit']}, torch {torch}; the lock repeats the run"),
        ("19", "Patient and public involvement", AUTHORS),
        ("20", "Flow of participants", "the diagram above"),
        ("21", "Model development", f"seed {recipe.seed}, recipe hash {lock.recipe_hash}"),
        ("22", "Full model", "checkpoints in the run's directory, safetensors"),
        ("23", "Performance", "the metrics above, with intervals"),
        ("24", "Updating", "none"),
        ("25", "Interpretation", AUTHORS),
        ("26", "Limitations", f"see what the numbers do not support; the rest is {AUTHORS}"),
        ("27", "Usability and next steps", AUTHORS),
    ]


def model_card(lock: Lock, facts: dict[str, str]) -> list[tuple[str, str]]:
    """What the model is, is for, and is not for."""
    recipe, data = lock.recipe, lock.content["data"]
    return [
        ("What it does", f"scores an echocardiogram video for {recipe.target.positive}: {recipe.target.definition}"),
        ("Its score", facts["score"]),
        ("Trained on", f"{data['name']}, {data['cases']:,} videos" + (", synthetic" if lock.phantom else "")),
        ("Meant for", "research on data like those it was trained on"),
        (
            "Not meant for",
            "decisions about patients: it has no regulatory clearance, and nothing is known of other hospitals, "
            "machines, views or populations",
        ),
        ("Input", ", ".join(f"{use.name}" for use in recipe.preprocess) + f"; {recipe.clip.name} of frames"),
        ("Repeat it", "echokit run lock.yaml: same recipe, data, seed and machine give the same bits"),
    ]
