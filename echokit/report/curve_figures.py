"""ROC curve, precision-recall curve and confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from echokit.evaluate.evaluation import Evaluation, Metric
from echokit.report.style import (
    BLUE,
    FOLD_COLOURS,
    GREY,
    INK,
    PALE,
    VERMILLION,
    add_panel,
    house_style,
    new_figure,
    say,
)
from echokit.report.wording import count, estimate, number, select

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_FOLDS_NAMED = 10


def roc_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the ROC curve of one split, one line a fold, with the point at the threshold if there is one fold.

    Args:
        evaluation: From ``assess``; curve ``roc`` and metric ``auroc``.
        positive: Name of the positive class.
        split: Which split.
        stamp: Words such as PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "roc", split), select(evaluation.metrics, "auroc", split)
    with house_style():
        figure = new_figure(f"ROC curve, {split} split", _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        if not folds:
            say(axes, _why_nothing("The ROC curve", metrics, split))
            return figure
        for fold, label, look in _lines(folds, metrics):
            axes.plot(fold["fpr"], fold["tpr"], label=label, **look)
        axes.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1.2, label="chance 0.50")
        _mark_threshold(axes, _curve(evaluation, "confusion", split))
        _unit_square(axes, "False positive rate (1 − specificity)", "True positive rate (sensitivity)")
        axes.legend(loc="lower right")
    return figure


def pr_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the precision-recall curve of one split as the steps that average precision sums, one line a fold.

    Args:
        evaluation: From ``assess``; curve ``pr`` and metric ``auprc``.
        positive: Name of the positive class.
        split: Which split.
        stamp: Words such as PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "pr", split), select(evaluation.metrics, "auprc", split)
    with house_style():
        head = f"Precision-recall curve, {split} split"
        figure = new_figure(head, _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        if not folds:
            say(axes, _why_nothing("The precision-recall curve", metrics, split))
            return figure
        for fold, label, look in _lines(folds, metrics):
            recall, precision = [0.0, *fold["recall"]], [fold["precision"][0], *fold["precision"]]
            axes.plot(recall, precision, drawstyle="steps-pre", label=label, **look)
        prevalence = sum(fold["events"] for fold in folds) / sum(fold["n"] for fold in folds)
        chance = f"chance: prevalence {prevalence:.2f} (line)"
        baselines = [metric.baseline for metric in metrics if metric.baseline is not None]
        if baselines:
            chance += f", AUPRC {sum(baselines) / len(baselines):.2f}"
        axes.axhline(prevalence, color=GREY, linestyle="--", linewidth=1.2, label=chance)
        _unit_square(axes, "Recall (sensitivity)", "Precision (positive predictive value)")
        axes.legend(loc="lower left", framealpha=0.92 if len(folds) == 1 else 0.85)
    return figure


def confusion_figure(evaluation: Evaluation, *, positive: str, split: str = "test", stamp: str | None = None) -> Figure:
    """Draw the confusion matrix of one split at the threshold: counts summed over folds, shares of each row.

    Args:
        evaluation: From ``assess``; curve ``confusion`` and metric ``accuracy``.
        positive: Name of the positive class.
        split: Which split.
        stamp: Words such as PHANTOM DATA, or None.
    """
    folds, metrics = _curve(evaluation, "confusion", split), select(evaluation.metrics, "accuracy", split)
    with house_style():
        thresholds = sorted({fold["threshold"] for fold in folds})
        at = f" at threshold {thresholds[0]:g}" if len(thresholds) == 1 else ""
        figure = new_figure(f"Confusion matrix, {split} split{at}", _patients(metrics, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp, above=0.22)
        if not folds:
            say(axes, _why_nothing("The confusion matrix", metrics, split))
            return figure
        cells = {key: sum(fold[key] for fold in folds) for key in ("tn", "fp", "fn", "tp")}
        _draw_confusion(axes, cells, positive)
        axes.set_xlabel(_confusion_words(cells, metrics), color=INK, labelpad=8)
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
            place: dict[str, Any] = {"ha": "center", "va": "center", "color": colour}
            axes.text(j, i - 0.06, f"{cell:,}", fontsize=24, fontweight="bold", **place)
            axes.text(j, i + 0.19, f"{share} of {sum(row):,}" if sum(row) else share, fontsize=10, **place)
    names = [f"not {positive}", positive]
    axes.set_xticks([0, 1], [f"called {name}" for name in names])
    axes.set_yticks([0, 1], [f"truly\n{name}" for name in names], rotation=90, va="center", ha="center")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", pad=12)
    axes.xaxis.tick_top()
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set(visible=True, color=PALE)


def _confusion_words(cells: dict[str, int], metrics: Sequence[Metric]) -> str:
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


def _lines(
    folds: Sequence[dict[str, Any]], metrics: Sequence[Metric]
) -> list[tuple[dict[str, Any], str | None, dict[str, Any]]]:
    """Pair each curve with its label and look; many folds share one label."""
    by_fold = {(metric.repeat, metric.fold): metric for metric in metrics}
    lines = []
    for i, fold in enumerate(folds):
        metric = by_fold.get((fold["repeat"], fold["fold"]))
        if len(folds) == 1:
            lines.append((fold, estimate(metric, 2) if metric else None, {"color": BLUE, "linewidth": 2.4}))
            continue
        # Curves of small folds often coincide: the earlier ones are wider, so that they show below the later.
        width = 1.4 + 3.0 * (len(folds) - 1 - i) / len(folds)
        look = {"color": FOLD_COLOURS[i % len(FOLD_COLOURS)], "linewidth": width}
        label: str | None = f"fold {fold['fold']}: {estimate(metric, 2)}" if metric else f"fold {fold['fold']}"
        if len(folds) > MOST_FOLDS_NAMED:
            look.update(color=BLUE, linewidth=1.4, alpha=0.35)
            label = f"{len(folds)} folds, one line each" if i == 0 else None
        lines.append((fold, label, look))
    return lines


def _mark_threshold(axes: Axes, confusion: Sequence[dict[str, Any]]) -> None:
    """Show where the threshold that calls are made with lies on the one curve."""
    if len(confusion) != 1:
        return
    c = confusion[0]
    x, y = c["fp"] / (c["fp"] + c["tn"]), c["tp"] / (c["tp"] + c["fn"])
    label = f"threshold {c['threshold']:g}: sensitivity {y:.2f}, specificity {1 - x:.2f}"
    axes.plot([x], [y], "o", color=VERMILLION, markersize=8, markeredgecolor="white", label=label, zorder=5)


def _unit_square(axes: Axes, x: str, y: str) -> None:
    axes.set_xlim(-0.015, 1.015)
    axes.set_ylim(-0.015, 1.015)
    axes.set_xlabel(x)
    axes.set_ylabel(y)


def _patients(metrics: Sequence[Metric], positive: str) -> str:
    if not metrics:
        return "not evaluated"
    n, events = sum(metric.n for metric in metrics), sum(metric.events for metric in metrics)
    text = f"{count(n, 'patient')}, {events:,} positive ({positive})"
    if len(metrics) == 1:
        return text
    undefined = sum(metric.value is None for metric in metrics)
    return f"{text}, over {len(metrics)} folds" + (f" ({undefined} undefined)" if undefined else "")


def _why_nothing(what: str, metrics: Sequence[Metric], split: str) -> str:
    reasons = dict.fromkeys(m.interval.capitalize() for m in metrics if m.value is None and m.interval)
    because = "\n".join(reasons) or f"It was not evaluated on the {split} split"
    return f"{what} is not drawn.\n{because}."
