"""ROC curve, precision-recall curve and confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.results.figures.figure_style import (
    BLUE,
    FOLD_COLOURS,
    GREY,
    INK,
    MOST_FOLDS_NAMED,
    PALE,
    VERMILLION,
    add_panel,
    fold_style,
    house_style,
    new_figure,
    show_message,
)
from echokit.results.wording import count, estimate, number, select, set_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHANCE: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1.2}


@dataclass(frozen=True)
class CurveKind:
    """A curve in the unit square.

    Attributes:
        name: Name of the curve in ``curves.json``.
        title: Title of the figure.
        x, y: Keys of the coordinates.
        labels: Labels of the x and the y axis.
        legend: Location of the legend.
    """

    name: str
    title: str
    x: str
    y: str
    labels: tuple[str, str]
    legend: Literal["lower right", "lower left"]


ROC = CurveKind(
    "roc",
    "ROC curve",
    "fpr",
    "tpr",
    ("False positive rate (1 − specificity)", "True positive rate (sensitivity)"),
    "lower right",
)
PR = CurveKind(
    "pr",
    "Precision-recall curve",
    "recall",
    "precision",
    ("Recall (sensitivity)", "Precision (positive predictive value)"),
    "lower left",
)


def roc_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the ROC curve of one split, one line a fold.

    With a single fold, the point at the threshold is marked.

    Args:
        evaluation: From ``evaluate_folds``; curve ``roc`` and metric ``auroc``.
        positive: Name of the positive class.
        split: Which split.
        stamp: PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "roc", split), select(evaluation.metrics, "auroc", split)
    with house_style():
        figure = new_figure(f"ROC curve, {set_name(split)}", _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        if not folds:
            show_message(axes, _reason_for_no_figure("The ROC curve", metrics, split))
            return figure
        _draw_curves(axes, ROC, _fold_lines(folds, metrics))
        axes.plot([0, 1], [0, 1], label="chance 0.50", **CHANCE)
        _mark_threshold(axes, _curve(evaluation, "confusion", split))
        axes.legend(loc=ROC.legend)
    return figure


def pr_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the precision-recall curve of one split, one line a fold.

    The curve has the steps that average precision sums.

    Args:
        evaluation: From ``evaluate_folds``; curve ``pr`` and metric ``auprc``.
        positive: Name of the positive class.
        split: Which split.
        stamp: PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "pr", split), select(evaluation.metrics, "auprc", split)
    with house_style():
        figure = new_figure(f"Precision-recall curve, {set_name(split)}", _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        if not folds:
            show_message(axes, _reason_for_no_figure("The precision-recall curve", metrics, split))
            return figure
        _draw_curves(axes, PR, _fold_lines(folds, metrics))
        prevalence = sum(fold["events"] for fold in folds) / sum(fold["n"] for fold in folds)
        label = f"chance: prevalence {prevalence:.2f} (line)"
        baselines = [metric.baseline for metric in metrics if metric.baseline is not None]
        if baselines:
            label += f", AUPRC {sum(baselines) / len(baselines):.2f}"
        axes.axhline(prevalence, label=label, **CHANCE)
        axes.legend(loc=PR.legend, framealpha=0.92 if len(folds) == 1 else 0.85)
    return figure


def overlaid_figure(kind: CurveKind, curves: Mapping[str, Mapping[str, Any]], *, stamp: str | None = None) -> Figure:
    """Draw one curve of several runs, one line a run.

    Args:
        kind: Which curve.
        curves: The curve of each run, by name.
        stamp: PHANTOM DATA, or None.
    """
    lines = [
        (curve, name, {"color": FOLD_COLOURS[i % len(FOLD_COLOURS)], "linewidth": 2.0})
        for i, (name, curve) in enumerate(curves.items())
    ]
    with house_style():
        figure = new_figure(f"{kind.title}s, test set", count(len(lines), "run") + ", one line each", stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        _draw_curves(axes, kind, lines)
        if kind is ROC:
            axes.plot([0, 1], [0, 1], label="chance", **CHANCE)
        axes.legend(loc=kind.legend)
    return figure


def _draw_curves(
    axes: Axes, kind: CurveKind, lines: Sequence[tuple[Mapping[str, Any], str | None, Mapping[str, Any]]]
) -> None:
    """Draw lines of (curve, label, style) into a unit square."""
    for curve, label, style in lines:
        x, y = curve[kind.x], curve[kind.y]
        if kind is PR:
            x, y = [0.0, *x], [y[0], *y]
        axes.plot(x, y, drawstyle="steps-pre" if kind is PR else "default", label=label, **style)
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(-0.015, 1.015)
    axes.set_xlabel(kind.labels[0])
    axes.set_ylabel(kind.labels[1])


def confusion_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the confusion matrix of one split at the threshold.

    Counts are summed over folds; percentages are shares of each row.

    Args:
        evaluation: From ``evaluate_folds``; curve ``confusion`` and metric ``accuracy``.
        positive: Name of the positive class.
        split: Which split.
        stamp: PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "confusion", split), select(evaluation.metrics, "accuracy", split)
    with house_style():
        thresholds = sorted({fold["threshold"] for fold in folds})
        at = f" at threshold {thresholds[0]:g}" if len(thresholds) == 1 else ""
        figure = new_figure(f"Confusion matrix, {set_name(split)}{at}", _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp, above=0.22)
        if not folds:
            show_message(axes, _reason_for_no_figure("The confusion matrix", metrics, split))
            return figure
        cells = {key: sum(fold[key] for fold in folds) for key in ("tn", "fp", "fn", "tp")}
        _draw_confusion(axes, cells, positive)
        axes.set_xlabel(_confusion_rates(cells, metrics), color=INK, labelpad=8)
    return figure


def _draw_confusion(axes: Axes, cells: dict[str, int], positive: str) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    rows = ((cells["tn"], cells["fp"]), (cells["fn"], cells["tp"]))
    shares = [[cell / max(sum(row), 1) for cell in row] for row in rows]
    axes.imshow(
        shares,
        cmap=LinearSegmentedColormap.from_list("paper", ["#FFFFFF", BLUE]),
        vmin=0,
        vmax=1,
        aspect="auto",
    )
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            colour = "white" if shares[i][j] > 0.55 else INK
            share = f"{100 * shares[i][j]:.0f} %" if sum(row) else "no patients"
            align: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            axes.text(j, i - 0.06, f"{cell:,}", fontsize=24, fontweight="bold", **align)
            axes.text(j, i + 0.19, f"{share} of {sum(row):,}" if sum(row) else share, fontsize=10, **align)
    names = [f"not {positive}", positive]
    axes.set_xticks([0, 1], [f"classified as\n{name}" for name in names])
    axes.set_yticks([0, 1], [f"truly\n{name}" for name in names], rotation=90, va="center", ha="center")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=12)
    axes.xaxis.tick_top()
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=PALE)


def _confusion_rates(cells: dict[str, int], metrics: Sequence[Metric]) -> str:
    positives, negatives = cells["tp"] + cells["fn"], cells["tn"] + cells["fp"]
    sensitivity = number(cells["tp"] / positives if positives else None, 2)
    specificity = number(cells["tn"] / negatives if negatives else None, 2)
    rates = f"sensitivity {sensitivity}, specificity {specificity}"
    if len(metrics) != 1:
        return f"{rates}, counts summed over {len(metrics)} folds"
    baseline = f"; always the larger class: {number(metrics[0].baseline, 2)}"
    return f"{estimate(metrics[0], 2)}{baseline}\n{rates}"


def _curve(evaluation: Evaluation, name: str, split: str) -> list[dict[str, Any]]:
    return list(evaluation.curves.get(name, {}).get(split, []))


def _fold_lines(
    folds: Sequence[dict[str, Any]], metrics: Sequence[Metric]
) -> list[tuple[dict[str, Any], str | None, dict[str, Any]]]:
    """Pair each curve with its label and style; many folds share one label."""
    by_fold = {(metric.repeat, metric.fold): metric for metric in metrics}
    lines = []
    for i, fold in enumerate(folds):
        metric = by_fold.get((fold["repeat"], fold["fold"]))
        if len(folds) == 1:
            lines.append((fold, estimate(metric, 2) if metric else None, {"color": BLUE, "linewidth": 2.4}))
            continue
        label: str | None = f"fold {fold['fold']}: {estimate(metric, 2)}" if metric else f"fold {fold['fold']}"
        if len(folds) > MOST_FOLDS_NAMED:
            label = f"{len(folds)} folds, one line each" if i == 0 else None
        lines.append((fold, label, fold_style(i, len(folds))))
    return lines


def _mark_threshold(axes: Axes, confusion: Sequence[dict[str, Any]]) -> None:
    """Mark the threshold on the curve, if there is only one curve."""
    if len(confusion) != 1:
        return
    c = confusion[0]
    x, y = c["fp"] / (c["fp"] + c["tn"]), c["tp"] / (c["tp"] + c["fn"])
    label = f"threshold {c['threshold']:g}: sensitivity {y:.2f}, specificity {1 - x:.2f}"
    axes.plot([x], [y], "o", color=VERMILLION, markersize=8, markeredgecolor="white", label=label, zorder=5)


def _patients(metrics: Sequence[Metric], positive: str) -> str:
    if not metrics:
        return "not evaluated"
    n, positives = sum(metric.n for metric in metrics), sum(metric.events for metric in metrics)
    text = f"{count(n, 'patient')}, {positives:,} positive ({positive})"
    if len(metrics) == 1:
        return text
    undefined = sum(metric.value is None for metric in metrics)
    return f"{text}, over {len(metrics)} folds" + (f" ({undefined} undefined)" if undefined else "")


def _reason_for_no_figure(figure: str, metrics: Sequence[Metric], split: str) -> str:
    reasons = dict.fromkeys(m.interval.capitalize() for m in metrics if m.value is None and m.interval)
    reason = "\n".join(reasons) or f"It was not evaluated on the {set_name(split)}"
    return f"{figure} is not drawn.\n{reason}."
