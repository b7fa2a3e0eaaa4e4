"""The charts of a run: from its curves, predictions and history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from echokit.evaluate.calibration import Calibration
from echokit.evaluate.net_benefit import NetBenefit
from echokit.evaluate.predictions import Predictions
from echokit.page.charts import Axis, Band, Series, axis, histogram, line_chart, nothing

if TYPE_CHECKING:
    from echokit.evaluate.evaluation import Metric

MOST_NAMED = 8
CHANCE = Series("chance", ((0.0, 0.0), (1.0, 1.0)), 9, "dashed")


def charts_of(
    curves: Mapping[str, Any],
    folds: Sequence[Predictions],
    history: Sequence[Mapping[str, Any]],
    metrics: Sequence[Metric],
    split: str,
) -> list[Markup]:
    """Draw ROC, precision-recall, calibration, decision curve, score distribution and learning curves.

    Args:
        curves: Content of ``curves.json``.
        folds: The split's predictions, one row a patient, one a fold.
        history: Lines of ``history.jsonl``.
        metrics: Of the run.
        split: Which part.
    """
    joined = _joined(folds)
    drawn: list[Markup | None] = [*_roc(curves, split), *_pr(curves, metrics, split)]
    if joined is not None:
        drawn += [_calibration(joined), _decision(joined), _scores(joined)]
    return [chart for chart in [*drawn, *_learning(history)] if chart is not None]


def overlaid(names: Sequence[str], curves: Sequence[Mapping[str, Any]], split: str) -> list[Markup]:
    """ROC and precision-recall curves of several runs, one line a run; runs of several folds are left out."""
    drawn = []
    for name, x, y, title in (
        ("roc", ("fpr", "false positive rate (1 - specificity)"), ("tpr", "sensitivity"), "ROC curves"),
        ("pr", ("recall", "recall (sensitivity)"), ("precision", "precision (PPV)"), "Precision-recall curves"),
    ):
        lines = []
        for number, (run, found) in enumerate(zip(names, curves, strict=True)):
            folds = found.get(name, {}).get(split, [])
            if len(folds) == 1:
                points = tuple(zip(folds[0][x[0]], folds[0][y[0]], strict=True))
                lines.append(Series(run, points, number % 6))
        if lines:
            said = f"{title}: {', '.join(names)}."
            drawn.append(line_chart(title, Axis(x[1]), Axis(y[1]), lines, described=said))
    return drawn


def _joined(folds: Sequence[Predictions]) -> Predictions | None:
    """The first repeat, so that no patient counts twice."""
    import pandas as pd

    first = [fold for fold in folds if len(fold) and int(fold.table["repeat"].iloc[0]) == 0]
    if not first:
        return None
    table = pd.concat([fold.table for fold in first], ignore_index=True)
    return Predictions(table, first[0].positive, first[0].threshold, first[0].probability)


def _lines(curves: Mapping[str, Any], name: str, split: str, x: str, y: str, kind: str) -> list[Series]:
    found = curves.get(name, {}).get(split, [])
    named = len(found) > 1
    lines = []
    for number, one in enumerate(found):
        label = f"fold {one['fold']}" if named and number < MOST_NAMED else "" if named else "model"
        lines.append(Series(label, tuple(zip(one[x], one[y], strict=True)), number % 6, kind))
    return lines


def _roc(curves: Mapping[str, Any], split: str) -> list[Markup]:
    lines = _lines(curves, "roc", split, "fpr", "tpr", "line")
    if not lines:
        return []
    said = "ROC curve: sensitivity against the share of negative patients that are called positive."
    x, y = Axis("false positive rate (1 - specificity)"), Axis("sensitivity")
    return [line_chart("ROC curve", x, y, [*lines, CHANCE], described=said)]


def _pr(curves: Mapping[str, Any], metrics: Sequence[Metric], split: str) -> list[Markup]:
    lines = _lines(curves, "pr", split, "recall", "precision", "line")
    if not lines:
        return []
    of_split = [metric for metric in metrics if metric.metric == "auprc" and metric.split == split]
    base = next((metric.baseline for metric in of_split if metric.baseline is not None), None)
    chance = [] if base is None else [Series("chance", ((0.0, base), (1.0, base)), 9, "dashed")]
    said = "Precision-recall curve: share of positive calls that are right against the share of positives found."
    x, y = Axis("recall (sensitivity)"), Axis("precision (PPV)")
    return [line_chart("Precision-recall curve", x, y, [*lines, *chance], described=said)]


def _calibration(predictions: Predictions) -> Markup | None:
    found = Calibration()(predictions).curves.get("calibration")
    if found is None:
        few = "it needs 100 patients of each class" if predictions.probability else "the scores are no probabilities"
        return nothing("Calibration", few)
    points = tuple(zip(found["expected"], found["observed"], strict=True))
    band = Band(tuple(zip(found["expected"], found["null_low"], found["null_high"], strict=True)))
    said = "Calibration: observed share of positives in ten bins of the predicted probability, with the 95 % band of a "
    series = [Series("observed, ten bins", points, 0, "dots"), Series("ideal", ((0, 0), (1, 1)), 9, "dashed")]
    x, y = Axis("mean probability"), Axis("observed share")
    return line_chart("Calibration", x, y, series, band=band, described=said + "calibrated model.")


def _decision(predictions: Predictions) -> Markup | None:
    found = NetBenefit()(predictions).curves.get("decision")
    if found is None:
        return None
    top = max([*found["model"], *found["all"], 0.01])
    # Far below nothing the lines only say that acting costs more than it brings.
    y = axis("net benefit, true positives a patient", [-0.15 * top, top], zero=True)
    shown = [number for number, value in enumerate(found["all"]) if value > y.low]
    series = [
        Series("act on the model", tuple(zip(found["threshold"], found["model"], strict=True)), 0),
        Series("act on everybody", tuple((found["threshold"][i], found["all"][i]) for i in shown), 1),
        Series("act on nobody", ((0, 0), (1, 0)), 9, "dashed"),
    ]
    said = "Decision curve: what acting on the model brings, against acting on everybody and on nobody."
    return line_chart("Decision curve", Axis("threshold probability"), y, series, described=said)


def _scores(predictions: Predictions) -> Markup:
    y, score = predictions.y_true, predictions.y_score
    whole = predictions.probability and score.min() >= 0 and score.max() <= 1
    x = Axis("score") if whole else axis("score", score.tolist())
    groups = [("other class", score[y == 0].tolist()), (predictions.positive, score[y == 1].tolist())]
    said = "Distribution of the scores of each class: the less they overlap, the better they are told apart."
    return histogram("Scores by class", x, groups, described=said)


def _learning(history: Sequence[Mapping[str, Any]]) -> list[Markup]:
    folds: dict[int, list[Mapping[str, Any]]] = {}
    for record in history:
        folds.setdefault(int(record.get("fold", 0)), []).append(record)
    series = []
    for fold, records in list(folds.items())[:MOST_NAMED]:
        which = f", fold {fold}" if len(folds) > 1 else ""
        for number, (key, word) in enumerate((("train_loss", "training"), ("val_loss", "validation"))):
            points = [(float(i + 1), float(r[key])) for i, r in enumerate(records) if r.get(key) is not None]
            if points:
                kind = "dots" if len(points) == 1 else "dashed" if number else "line"
                series.append(Series(f"{word}{which}", tuple(points), number, kind))
    if not series:
        return []
    values = [value for one in series for _, value in one.points]
    longest = max(len(records) for records in folds.values())
    x = Axis("epoch", 1, max(2, longest), sorted({1, *range(2, longest + 1, max(1, longest // 6)), max(2, longest)}))
    if len(folds) > 1:
        named: set[str] = set()
        for i, one in enumerate(series):
            word = one.name.split(",")[0]
            series[i] = replace(one, name="" if word in named else word)
            named.add(word)
    said = "Learning curves: loss of the training and the validation part, epoch by epoch."
    return [line_chart("Learning curves", x, axis("loss", values, zero=True), series, described=said)]
