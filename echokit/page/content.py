"""What the page shows: gathered from the files of a run, so that it can be made again at any time."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.evaluate.predictions import NO_PROBABILITY, Predictions
from echokit.objectives.objective import HALF
from echokit.page.figures import figures_of
from echokit.page.loops import Loop, Source, loop
from echokit.page.markdown import as_html
from echokit.page.tripod import model_card, tripod
from echokit.report.caution import cautions
from echokit.report.summary import answer
from echokit.report.training_words import training_in_words
from echokit.report.wording import count, number, percent, title
from echokit.run_directory import Run

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "test"
HEADLINE = (
    "auroc_within_fold",
    "auroc",
    "auprc",
    "auprc_fold_mean",
    "accuracy",
    "accuracy_pooled",
    "sensitivity",
    "specificity",
    "mae",
    "r2",
)
MOST_LEVELS = 6
NOT_COVARIATES = ("case_id", "patient_id", "split", "y_true", "data", "target")


@dataclass(frozen=True)
class ShownCase:
    """A case with its loop."""

    case_id: str
    score: float
    truth: str
    kind: str
    loop: Loop | None


@dataclass(frozen=True)
class PageSettings:
    """What the page shows beyond the run's own files.

    Attributes:
        notes: Warnings about the data.
        tried: Number of configurations tried on the same data in the same folder, including this one.
        division: How the data were split.
        source: Gives the frames of a case; None shows none. Frames of patients only if the user requested them.
        cases: How many of the worst errors and of the most confident correct cases are shown.
    """

    notes: Sequence[str] = ()
    tried: int = 1
    division: str = ""
    source: Source | None = None
    cases: int = 4


def content(run: Run, settings: PageSettings) -> dict[str, Any]:
    """Collect the values that the template needs."""
    lock, metrics = run.lock, run.metrics
    predictions = predictions_of(run)
    folds = _folds(predictions, SPLIT)
    locked = run.called_from
    score = _score_words(predictions, lock.recipe.target.definition)
    facts = {
        "division": settings.division,
        "score": score,
        "training": training_in_words(lock.recipe.train, run.history),
    }
    return {
        "name": lock.recipe.name,
        "stamp": lock.stamp,
        "pretrained": lock.pretrained_stamp,
        "phantom": lock.phantom,
        "positive": predictions.positive,
        "definition": lock.recipe.target.definition.split(": ", 1)[-1],
        "answer": answer(Evaluation(metrics), SPLIT, predictions.positive),
        "verdicts": verdicts(metrics, SPLIT),
        "cautions": cautions(metrics, SPLIT, tried=settings.tried),
        "cards": [_card(metric) for metric in headline(metrics, SPLIT)],
        "charts": figures_of(run, folds, SPLIT),
        "slider": _slider(folds, locked),
        "folds": _fold_table(metrics, SPLIT),
        "metrics": [_row(metric) for metric in metrics if metric.fold is None or not _several(metrics)],
        "subgroups": any(metric.subgroup for metric in metrics),
        "cases": _cases(predictions, settings.source, settings.cases) if settings.source is not None else [],
        "shows_frames": settings.source is not None,
        "cohort": _cohort(run, predictions),
        "notes": list(settings.notes),
        "sections": [(section["title"], as_html(section["text"])) for section in run.sections],
        "flow": _flow(run, predictions),
        "division": settings.division,
        "tripod": tripod(lock, facts),
        "card": model_card(lock, facts),
        "lock_uri": "data:text/yaml;base64," + base64.b64encode((run.path / "lock.yaml").read_bytes()).decode(),
        "recipe_hash": lock.recipe_hash,
        "created": str(lock.content["created"])[:16].replace("T", " "),
        "echokit": lock.content["echokit"],
        "computed": lock.content["compute"],
        "fingerprint": lock.content["data"]["fingerprint"],
    }


def predictions_of(run: Run) -> Predictions:
    """The predictions of a run, cut where it made its calls."""
    table = run.predictions
    probability = not ("score_is" in table.columns and (table["score_is"] == NO_PROBABILITY).all())
    threshold = run.called_from
    if threshold is None:
        threshold = HALF if probability else float(table["threshold"].iloc[0])
    return Predictions(table, run.lock.recipe.target.positive, threshold, probability=probability)


def _folds(predictions: Predictions, split: str) -> list[Predictions]:
    patients = predictions.per_patient().table
    here = patients[patients["split"] == split]
    return [
        Predictions(part.reset_index(drop=True), predictions.positive, predictions.threshold, predictions.probability)
        for _, part in here.groupby(["repeat", "fold"], sort=True)
    ]


def _several(metrics: Sequence[Metric]) -> bool:
    return len({(m.repeat, m.fold) for m in metrics if m.fold is not None}) > 1


def headline(metrics: Sequence[Metric], split: str) -> list[Metric]:
    """The metrics that come first: over the whole split, in the order of HEADLINE; at most six."""
    several = _several(metrics)
    chosen = []
    for name in HEADLINE:
        for metric in metrics:
            whole = metric.fold is None if several else True
            if (metric.metric, metric.split, metric.subgroup) == (name, split, None) and whole:
                chosen.append(metric)
                break
    return chosen[:6]


def _card(metric: Metric) -> dict[str, str]:
    ends = ""
    if metric.low is not None and metric.high is not None:
        ends = f"{percent(metric.level or 0.95)} CI {number(metric.low, 2)} to {number(metric.high, 2)}"
    definition = metric.definition + (f". Interval: {metric.interval}" if metric.interval else "")
    return {
        "title": title(metric.metric),
        "value": number(metric.value, 2) + (f" {metric.unit}" if metric.unit and metric.value is not None else ""),
        "interval": ends or (metric.interval or "no interval"),
        "short": "yes" if ends else "",
        "baseline": "no baseline" if metric.baseline is None else f"baseline {number(metric.baseline, 2)}",
        "patients": f"n {metric.n:,}, {count(metric.events, 'event')}",
        "definition": definition,
    }


def verdicts(metrics: Sequence[Metric], split: str) -> list[tuple[str, str, str]]:
    """Three plain questions: (sign, question, answer); the sign is yes, no or open."""
    found = {metric.metric: metric for metric in reversed(headline(metrics, split))}
    ranked = found.get("auroc_within_fold") or found.get("auroc")
    called = found.get("accuracy_pooled") or found.get("accuracy")
    lines = []
    if ranked is not None:
        if ranked.value is None or ranked.low is None or ranked.high is None:
            lines.append(
                ("open", "Does it rank patients better than chance?", f"Not known: {ranked.interval or 'undefined'}.")
            )
        elif ranked.low > 0.5:
            sign, words = (
                "yes",
                f"Yes: the interval of the AUROC, {ranked.low:.2f} to {ranked.high:.2f}, lies above 0.5.",
            )
            lines.append((sign, "Does it rank patients better than chance?", words))
        else:
            words = f"Not shown: the interval of the AUROC, {ranked.low:.2f} to {ranked.high:.2f}, holds 0.5 or less."
            lines.append(("no", "Does it rank patients better than chance?", words))
    if called is not None and called.value is not None and called.baseline is not None:
        question = "Are its calls better than always answering the larger class?"
        of = f"{called.value:.2f} right, against {called.baseline:.2f}"
        if called.low is not None and called.low > called.baseline:
            lines.append(("yes", question, f"Yes: {of}, beyond its interval."))
        elif called.value > called.baseline:
            lines.append(("open", question, f"Not shown: {of}, within its interval."))
        else:
            lines.append(("no", question, f"No: {of}."))
    first = ranked or called
    if first is not None:
        few = min(first.events, first.n - first.events)
        question = "Are there enough patients to trust the numbers?"
        words = f"{few} patients in the smaller class of the {split} part"
        lines.append(
            ("yes", question, f"{words}: at least 100.")
            if few >= 100
            else ("no", question, f"{words}, fewer than 100.")
        )
    return lines


def _slider(folds: Sequence[Predictions], locked: float | None) -> dict[str, Any] | None:
    first = [fold for fold in folds if len(fold) and int(fold.table["repeat"].iloc[0]) == 0]
    pairs = sorted((float(s), int(y)) for fold in first for s, y in zip(fold.y_score, fold.y_true, strict=True))
    if not pairs:
        return None
    scores = [score for score, _ in pairs]
    low, high = min(*scores, 0.0) if len(scores) > 1 else 0.0, max(*scores, 1.0) if len(scores) > 1 else 1.0
    start = locked if locked is not None else first[0].threshold
    y = [y for _, y in pairs]
    return {"scores": scores, "y": y, "low": low, "high": high, "locked": start, "known": locked is not None}


def _fold_table(metrics: Sequence[Metric], split: str) -> dict[str, Any] | None:
    if not _several(metrics):
        return None
    here = [m for m in metrics if m.split == split and m.subgroup is None]
    single = [m for m in here if m.fold is not None]
    names = [name for name in dict.fromkeys(m.metric for m in single) if not name.startswith("confusion_")][:8]
    places = list(dict.fromkeys((m.repeat, m.fold) for m in single))
    value = {(m.metric, m.repeat, m.fold): m for m in single}
    rows = []
    for repeat, fold in places[:60]:
        found = [value.get((name, repeat, fold)) for name in names]
        known = next(one for one in found if one is not None)
        cells = ["" if one is None else number(one.value, 2) for one in found]
        rows.append([str(repeat), str(fold), str(known.n), str(known.events), *cells])
    joined = {m.metric: m for m in here if m.fold is None}
    for ending, word in (("_fold_mean", "mean"), ("_fold_sd", "sample SD")):
        cells = [number(joined[name + ending].value, 2) if name + ending in joined else "" for name in names]
        rows.append([word, "", "", "", *cells])
    return {
        "head": ["repeat", "fold", "n", "events", *map(title, names)],
        "rows": rows,
        "left": max(0, len(places) - 60),
    }


def _row(metric: Metric) -> dict[str, str]:
    ends = f"{number(metric.low)} to {number(metric.high)}" if metric.low is not None else "none"
    return {
        "split": metric.split,
        "name": title(metric.metric) + (f" [{metric.subgroup}]" if metric.subgroup else ""),
        "value": number(metric.value) + (f" {metric.unit}" if metric.unit and metric.value is not None else ""),
        "interval": ends,
        "baseline": "none" if metric.baseline is None else number(metric.baseline),
        "n": f"{metric.n:,}",
        "events": f"{metric.events:,}",
        "definition": metric.definition,
        "method": metric.interval or "",
    }


def _cases(predictions: Predictions, source: Source, most: int) -> list[ShownCase]:
    """The most wrong and the most certain of the test part, those that can be shown."""
    table = predictions.table
    here = table[table["split"] == SPLIT].groupby(["case_id", "y_true"], as_index=False)["y_score"].mean()
    margin = (here["y_score"] - predictions.threshold) * (2 * here["y_true"] - 1)
    ordered = here.assign(margin=margin).sort_values(["margin", "case_id"])
    wrong = ordered[ordered["margin"] < 0].head(most)
    certain = ordered[ordered["margin"] >= 0].tail(most).iloc[::-1]
    shown = []
    for kind, part in (("wrong", wrong), ("certain", certain)):
        for row in part.to_dict("records"):
            found = source(str(row["case_id"]))
            truth = predictions.positive if row["y_true"] else f"not {predictions.positive}"
            made = None if found is None else loop(found)
            shown.append(ShownCase(str(row["case_id"]), float(row["y_score"]), truth, kind, made))
    return shown


def _cohort(run: Run, predictions: Predictions) -> dict[str, Any]:
    import pandas as pd

    cohort = run.cohort
    table = predictions.table
    groups: list[tuple[str, pd.DataFrame]] = [("all", cohort)]
    if len(table[["repeat", "fold"]].drop_duplicates()) == 1:
        part = table.drop_duplicates("case_id").set_index("case_id")["split"]
        place = cohort["case_id"].map(part)
        groups += [(split, cohort[place == split]) for split in ("train", "val", "test") if (place == split).any()]
    positive = predictions.positive
    groups += [(positive, cohort[cohort["y_true"] == 1]), (f"not {positive}", cohort[cohort["y_true"] == 0])]
    rows = [["videos", *(f"{len(part):,}" for _, part in groups)]]
    rows.append(["patients", *(f"{part['patient_id'].nunique():,}" for _, part in groups)])
    rows.append([f"{positive} videos", *(_share(int(part["y_true"].sum()), len(part)) for _, part in groups)])
    for column in cohort.columns:
        if column in NOT_COVARIATES:
            continue
        values = cohort[column]
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 2:
            rows.append([f"{column}, mean (SD)", *(_mean_sd(part[column]) for _, part in groups)])
        elif 1 < values.nunique() <= MOST_LEVELS:
            for level in sorted(values.dropna().unique(), key=str):
                cells = [_share(int((part[column] == level).sum()), len(part)) for _, part in groups]
                rows.append([f"{column}: {level}", *cells])
        if values.isna().any():
            rows.append([f"{column}: not known", *(f"{int(part[column].isna().sum()):,}" for _, part in groups)])
    return {"head": ["", *(name for name, _ in groups)], "rows": rows}


def _mean_sd(values: pd.Series[Any]) -> str:
    known = values.dropna()
    if not len(known):
        return "none"
    return f"{known.mean():.1f} ({known.std():.1f})" if len(known) > 1 else f"{known.mean():.1f}"


def _share(some: int, of: int) -> str:
    return f"{some:,} ({some / of:.0%})" if of else "0"


def _flow(run: Run, predictions: Predictions) -> dict[str, Any]:
    data = run.lock.content["data"]
    table = predictions.table
    single = len(table[["repeat", "fold"]].drop_duplicates()) == 1
    parts = []
    if single:
        for split in ("train", "val", "test"):
            part = table[table["split"] == split]
            if len(part):
                events = part.loc[part["y_true"] == 1, "patient_id"].nunique()
                parts.append(
                    {"name": split, "videos": len(part), "patients": part["patient_id"].nunique(), "events": events}
                )
    else:
        test = table[table["split"] == SPLIT].drop_duplicates("case_id")
        folds = len(table[table["split"] == SPLIT][["repeat", "fold"]].drop_duplicates())
        events = test.loc[test["y_true"] == 1, "patient_id"].nunique()
        parts.append(
            {
                "name": f"tested in {folds} folds",
                "videos": len(test),
                "patients": test["patient_id"].nunique(),
                "events": events,
            }
        )
    return {
        "read": data["cases"] + data["unreadable"] + data["excluded"],
        "excluded": data["excluded"],
        "unreadable": data["unreadable"],
        "used": data["cases"],
        "parts": parts,
    }


def _score_words(predictions: Predictions, definition: str) -> str:
    if predictions.probability:
        return f"probability of {definition}; called from {predictions.threshold:g} on"
    return f"no probability, higher means {definition}; called from {predictions.threshold:g} on"
