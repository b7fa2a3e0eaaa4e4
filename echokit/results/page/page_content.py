"""The content of the report page, collected from the files of a run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from echokit.data.cohort.target import TargetSettings
from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.predictions import NO_PROBABILITY, Predictions
from echokit.results.figures.score_figures import why_no_calibration
from echokit.results.headline import headline, joined, whole_rows
from echokit.results.page.cards import cards
from echokit.results.page.cases import shown_cases
from echokit.results.page.cine_loops import Source
from echokit.results.page.markdown import as_html
from echokit.results.page.operating_point import added_metrics
from echokit.results.page.patients import SPLIT, cohort_table, flow
from echokit.results.page.run_charts import figures_of, first_repeat
from echokit.results.page.tripod import model_card, tripod
from echokit.results.run import Run, read_sections
from echokit.results.summary.cautions import cautions
from echokit.results.summary.enough_patients import RULE, enough_patients
from echokit.results.summary.summary import answer
from echokit.results.summary.training_summary import training_in_words
from echokit.results.verdict import is_beaten, is_shown_better
from echokit.results.wording import number, p_value, set_name, title, with_unit
from echokit.training.objectives.objective import HALF

MOST_FOLDS = 60
"""Rows of the table of folds."""


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
    lock, predictions = run.lock, predictions_of(run)
    metrics = [*run.metrics, *added_metrics(run.metrics, predictions, lock.recipe)]
    folds = _folds(predictions, SPLIT)
    patients = first_repeat(folds)
    one_repeat = len({metric.repeat for metric in metrics if metric.repeat is not None}) == 1
    classified = patients if one_repeat and run.called_from is not None else None
    score = _score_description(predictions, lock.recipe.target.definition)
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
        "definition": _condition(lock.recipe.target),
        "answer": answer(Evaluation(tuple(metrics)), SPLIT, predictions.positive),
        "verdicts": verdicts(metrics, SPLIT),
        "enough_rule": RULE,
        "cautions": cautions(metrics, SPLIT, tried=settings.tried),
        "cards": cards(headline(metrics, SPLIT), classified),
        "charts": figures_of(run, patients, SPLIT),
        "no_calibration": None if patients is None else why_no_calibration(patients),
        "slider": _slider(patients, run.called_from),
        "folds": _fold_table(metrics, SPLIT),
        "metrics": _metric_table([metric for metric in metrics if metric.fold is None or not _several(metrics)]),
        "subgroups": any(metric.subgroup for metric in metrics),
        "cases": shown_cases(run, predictions, settings.source, settings.cases) if settings.source is not None else [],
        "shows_frames": settings.source is not None,
        "cohort": cohort_table(run, predictions),
        "notes": list(settings.notes),
        "sections": [(section["title"], as_html(section["text"])) for section in read_sections(run)],
        "flow": flow(run, predictions),
        "division": as_html(settings.division),
        "tripod": tripod(lock, facts),
        "card": model_card(lock, facts),
        "lock_uri": "data:text/yaml;base64," + base64.b64encode((run.path / "lock.yaml").read_bytes()).decode(),
        "recipe_hash": lock.recipe_hash,
        "created": str(lock.content["created"])[:16].replace("T", " "),
        "echokit": lock.content["echokit"],
        "computed": lock.content["compute"],
        "fingerprint": lock.content["data"]["fingerprint"],
    }


def _condition(target: TargetSettings) -> str:
    """Format what makes a patient positive: ``EF < 50 %``."""
    return with_unit(target.source, target.definition.removeprefix(f"{target.positive}: {target.source} "))


def predictions_of(run: Run) -> Predictions:
    """Read the predictions of a run, with the threshold that it used."""
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


def verdicts(metrics: Sequence[Metric], split: str) -> list[tuple[str, str, str]]:
    """Answer three plain questions: (yes, part, no or open; question; answer)."""
    rows = whole_rows(metrics, split)
    auroc, accuracy = joined(rows, "auroc"), joined(rows, "accuracy")
    lines = []
    if auroc is not None:
        lines.append(("Does it rank patients better than chance?", *_ranking_verdict(auroc)))
    if accuracy is not None and accuracy.value is not None and accuracy.baseline is not None:
        question = "Is it more accurate than always predicting the larger class?"
        lines.append((question, *_accuracy_verdict(accuracy, accuracy.value, accuracy.baseline)))
    enough = enough_patients(metrics, split)
    if enough is not None:
        sign = {"study": "yes", "pilot": "part", "none": "no"}[enough.grade]
        lines.append(("Are there enough patients?", sign, enough.text))
    return [(sign, question, text) for question, sign, text in lines]


def _ranking_verdict(auroc: Metric) -> tuple[str, str]:
    if auroc.value is None or auroc.low is None or auroc.high is None:
        return "open", f"Not known: {auroc.interval or 'undefined'}."
    ends = f"the interval of the AUROC, {auroc.low:.2f} to {auroc.high:.2f},"
    if auroc.low > 0.5:
        return "yes", f"Yes: {ends} lies above 0.5."
    return "no", f"Not shown: {ends} includes 0.5 or lower values."


def _accuracy_verdict(accuracy: Metric, value: float, baseline: float) -> tuple[str, str]:
    text = f"{value:.2f} correct, compared with {baseline:.2f}"
    if is_beaten(accuracy):
        return "no", f"No: {text}."
    better = is_shown_better(accuracy)
    ends = {True: "its interval excludes that", False: "its interval includes that", None: "it has no interval"}
    why = p_value(accuracy) or ends[better]
    return ("yes", f"Yes: {text}; {why}.") if better else ("open", f"Not shown: {text}; {why}.")


def _slider(patients: Predictions | None, threshold: float | None) -> dict[str, Any] | None:
    if patients is None:
        return None
    pairs = sorted((float(s), int(y)) for s, y in zip(patients.y_score, patients.y_true, strict=True))
    scores, y = [score for score, _ in pairs], [y for _, y in pairs]
    low, high = (min(*scores, 0.0), max(*scores, 1.0)) if len(scores) > 1 else (0.0, 1.0)
    start = threshold if threshold is not None else patients.threshold
    return {"scores": scores, "y": y, "low": low, "high": high, "locked": start, "known": threshold is not None}


def _fold_table(metrics: Sequence[Metric], split: str) -> dict[str, Any] | None:
    if not _several(metrics):
        return None
    of_split = [m for m in metrics if m.split == split and m.subgroup is None]
    single = [m for m in of_split if m.fold is not None]
    names = [name for name in dict.fromkeys(m.metric for m in single) if not name.startswith("confusion_")][:8]
    folds = list(dict.fromkeys((m.repeat, m.fold) for m in single))
    by_fold = {(m.metric, m.repeat, m.fold): m for m in single}
    rows = []
    repeats = len({repeat for repeat, _ in folds}) > 1
    for repeat, fold in folds[:MOST_FOLDS]:
        row = [by_fold.get((name, repeat, fold)) for name in names]
        first = next(metric for metric in row if metric is not None)
        cells = ["" if metric is None else number(metric.value, 2) for metric in row]
        label = f"fold {fold}" + (f", repeat {repeat}" if repeats else "")
        rows.append([label, str(first.n), str(first.events), *cells])
    over = {m.metric: m for m in of_split if m.fold is None}
    for ending, label in (("_fold_mean", "mean"), ("_fold_sd", "sample SD")):
        cells = [number(over[name + ending].value, 2) if name + ending in over else "" for name in names]
        if any(cells):
            rows.append([label, "", "", *cells])
    return {
        "head": ["", "n", "positive", *map(title, names)],
        "rows": rows,
        "left": max(0, len(folds) - MOST_FOLDS),
    }


def _metric_table(metrics: Sequence[Metric]) -> dict[str, Any]:
    rows = []
    for metric in metrics:
        name = title(metric.metric) + (f" [{metric.subgroup}]" if metric.subgroup else "")
        value = number(metric.value) + (f" {metric.unit}" if metric.unit and metric.value is not None else "")
        ends = f"{number(metric.low)} to {number(metric.high)}" if metric.low is not None else "none"
        baseline = "none" if metric.baseline is None else number(metric.baseline)
        how = ". ".join(
            filter(None, (metric.definition, metric.interval and f"Interval: {metric.interval}", p_value(metric)))
        )
        cells = (name, set_name(metric.split), value, ends, baseline, f"{metric.n:,}", f"{metric.events:,}", how)
        rows.append(cells)
    return {
        "head": ("metric", "set", "value", "95 % interval", "baseline", "n", "positive", "definition"),
        "rows": rows,
    }


def _score_description(predictions: Predictions, definition: str) -> str:
    kind = "probability of" if predictions.probability else "no probability, higher means"
    return f"{kind} {definition}; classified as {predictions.positive} from {predictions.threshold:g} on"
