"""The folder of plots of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from echokit.evaluation.evaluation import Evaluation
from echokit.results.figures.curve_figures import confusion_figure, pr_figure, roc_figure
from echokit.results.figures.figure_style import house_style, save
from echokit.results.figures.learning_figure import learning_curves_figure


def write_plots(
    directory: Path,
    evaluation: Evaluation,
    history: Sequence[Mapping[str, Any]],
    *,
    selected: Mapping[int, int],
    positive: str,
    split: str = "test",
    stamp: str | None = None,
) -> tuple[Path, ...]:
    """Write ROC, precision-recall, confusion matrix and learning curves as PNG.

    Args:
        directory: The folder, created if missing.
        evaluation: From ``evaluate_folds``.
        history: Lines of history.jsonl; see ``learning_curves_figure``.
        selected: The selected epoch of each fold.
        positive: Name of the positive class.
        split: The split of the curves.
        stamp: PHANTOM DATA, drawn into every plot, or None.

    Returns:
        The files, in the order above.
    """
    figures = {
        "roc.png": roc_figure(evaluation, positive=positive, split=split, stamp=stamp),
        "pr.png": pr_figure(evaluation, positive=positive, split=split, stamp=stamp),
        "confusion.png": confusion_figure(evaluation, positive=positive, split=split, stamp=stamp),
        "learning_curves.png": learning_curves_figure(history, selected=selected, stamp=stamp),
    }
    directory.mkdir(parents=True, exist_ok=True)
    with house_style():
        for name, figure in figures.items():
            save(figure, directory / name)
    return tuple(directory / name for name in figures)
