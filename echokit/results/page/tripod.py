"""Model card and TRIPOD+AI table, filled from the run; the other items are left to the authors.

Items: Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378.
"""

from __future__ import annotations

from echokit.results.lock import Lock

AUTHORS = "for the authors to write"


def tripod(lock: Lock, facts: dict[str, str]) -> list[tuple[str, str, str]]:
    """Build the rows of the TRIPOD+AI table: number, item and text.

    Args:
        lock: Lock of the run.
        facts: Descriptions: ``division``, ``score``, ``training``.
    """
    recipe, content = lock.recipe, lock.content
    data = content["data"]
    weights = content.get("weights")
    steps = ", ".join(use.name for use in recipe.preprocess) or "none"
    packages = content.get("environment", {}).get("packages", {})
    torch = packages.get("torch", "see the lock")
    start = f"weights of {weights['source']}" if weights else "random weights"
    n = sum(split["cases"] for split in data["splits"].values()) if data["splits"] else data["cases"]
    metrics = ", ".join(use.name for use in recipe.evaluators)
    return [
        ("1", "Title", AUTHORS),
        ("2", "Abstract", AUTHORS),
        ("3", "Background and intended use", AUTHORS),
        ("4", "Objectives", f"to detect {recipe.target.positive} ({recipe.target.definition})"),
        ("5a", "Source of data", f"{data['name']}" + (" (PHANTOM DATA: synthetic)" if lock.phantom else "")),
        ("5b", "Dates of the data", AUTHORS),
        ("6", "Participants and setting", AUTHORS),
        ("7", "Data preparation", f"{steps}; exact settings in the lock"),
        ("8", "Outcome", f"{recipe.target.definition}; how it was measured is {AUTHORS}"),
        ("9", "Predictors", f"{recipe.fusion.name} on the video (frames sampled by {recipe.clip.name})"),
        (
            "10",
            "Sample size",
            f"{n:,} videos used, {data['unreadable']:,} unreadable; the choice of the size is {AUTHORS}",
        ),
        ("11", "Missing data", f"{data['unreadable']:,} unreadable videos removed, listed in the notes"),
        ("12a", "Data splits", facts["division"]),
        ("12c", "Model", f"{recipe.backbone.name}, {recipe.fusion.name}, from {start}"),
        ("12c", "Training", facts["training"]),
        ("12e", "Performance measures", metrics),
        ("13", "Class imbalance", f"objective {recipe.objective.name}; see its settings in the lock"),
        ("14", "Fairness", f"subgroups if the recipe has them; otherwise {AUTHORS}"),
        ("15", "Output and threshold", facts["score"]),
        ("16", "Training versus evaluation", "splits of the same data; differences between settings are unknown"),
        ("17", "Ethical approval", AUTHORS),
        ("18a", "Funding and conflicts", AUTHORS),
        ("18c", "Protocol and registration", AUTHORS),
        ("18e", "Availability of the data", AUTHORS),
        (
            "18f",
            "Availability of the code",
            f"echokit {content['echokit']}, torch {torch}; the lock reproduces the run",
        ),
        ("19", "Patient and public involvement", AUTHORS),
        ("20", "Flow of participants", "the diagram above"),
        ("21", "Model development", f"seed {recipe.seed}, recipe hash {lock.recipe_hash}"),
        ("22", "Full model", "checkpoints in the run's directory, safetensors"),
        ("23", "Performance", "the metrics above, with intervals"),
        ("24", "Updating", "none"),
        ("25", "Interpretation", AUTHORS),
        ("26", "Limitations", f"see the limits of the numbers above; the rest is {AUTHORS}"),
        ("27", "Usability and next steps", AUTHORS),
    ]


def model_card(lock: Lock, facts: dict[str, str]) -> list[tuple[str, str]]:
    """Build the rows of the model card: topic and text."""
    recipe, data = lock.recipe, lock.content["data"]
    return [
        ("What it does", f"scores an echocardiogram video for {recipe.target.positive}: {recipe.target.definition}"),
        ("Its score", facts["score"]),
        ("Trained on", f"{data['name']}, {data['cases']:,} videos" + (", synthetic" if lock.phantom else "")),
        ("Intended use", "research on data like those it was trained on"),
        (
            "Not intended for",
            "decisions about patients: it has no regulatory clearance, and its performance in other hospitals, "
            "machines, views or populations is unknown",
        ),
        ("Input", ", ".join(f"{use.name}" for use in recipe.preprocess) + f"; frames sampled by {recipe.clip.name}"),
        ("Reproduce it", "echokit run lock.yaml: the same recipe, data, seed and machine give the same bits"),
    ]
