"""Learning curves: loss, accuracy and AUROC by epoch, with the selected epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from echokit.results.figures.figure_style import (
    BLUE,
    GREY,
    INK,
    MOST_FOLDS_NAMED,
    VERMILLION,
    add_panel,
    fold_style,
    house_style,
    new_figure,
    show_message,
)
from echokit.results.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Series(NamedTuple):
    """A line of a panel; lines are distinct without colour too.

    Attributes:
        key: Key in ``history.jsonl``.
        label: Label of the legend.
        colour: Colour.
        style: Line style.
    """

    key: str
    label: str
    colour: str
    style: str


PANELS = (
    (
        "Loss",
        (Series("train_loss", "training set", BLUE, "-"), Series("val_loss", "validation set", VERMILLION, "--")),
    ),
    (
        "Accuracy",
        (
            Series("train_accuracy", "training set", BLUE, "-"),
            Series("val_accuracy", "validation set", VERMILLION, "--"),
        ),
    ),
    ("AUROC", (Series("val_auroc", "validation set", VERMILLION, "--"),)),
)
LEGEND_COLUMNS = 5
LEGEND_ROW = 0.22
"""Inches."""


def learning_curves_figure(
    history: Sequence[Mapping[str, Any]], *, selected: Mapping[int, int] | None = None, stamp: str | None = None
) -> Figure:
    """Draw the numbers of each epoch, one line a fold.

    Args:
        history: Lines of history.jsonl: ``epoch``, optional ``fold`` (0), and any of ``train_loss, val_loss,
            train_accuracy, val_accuracy, val_auroc``, or another ``val_NAME``; None means undefined.
        selected: The selected epoch of each fold, which is marked; None marks none.
        stamp: PHANTOM DATA, or None.
    """
    selected = selected or {}
    folds: dict[int, list[Mapping[str, Any]]] = {}
    for record in history:
        folds.setdefault(int(record.get("fold", 0)), []).append(record)
    named = {key: None for record in history for key in record if key.startswith("val_")}
    known = {series.key for _, lines in PANELS for series in lines}
    own = [(key[4:], (Series(key, "validation set", VERMILLION, "--"),)) for key in named if key not in known]
    panels = [panel for panel in (*PANELS, *own) if any(_recorded(folds, series) for series in panel[1])]
    rows = max(1, len(panels))
    with house_style():
        many = 1 < len(folds) <= MOST_FOLDS_NAMED
        above = LEGEND_ROW * math.ceil(len(folds) / LEGEND_COLUMNS) if many else 0.0
        height = 6.5 - 1.45 * (len(PANELS) - rows) + above
        figure = new_figure("Learning curves", _subtitle(folds, selected), stamp=stamp, height=height)
        for row, (title, lines) in enumerate(panels):
            axes = add_panel(figure, stamp=stamp, row=row, rows=rows, above=above)
            axes.set_ylabel(title)
            drawn = [series for series in lines if _draw(axes, folds, selected, series)]
            _finish(axes, drawn, folds, selected)
            if row == 0 and many:
                _add_fold_legend(figure, axes, folds)
            if row < rows - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("Epoch")
        if not panels:
            show_message(add_panel(figure, stamp=stamp), "Nothing was recorded")
    return figure


def _recorded(folds: Mapping[int, Sequence[Mapping[str, Any]]], series: Series) -> bool:
    return any(record.get(series.key) is not None for records in folds.values() for record in records)


def _draw(
    axes: Axes, folds: Mapping[int, Sequence[Mapping[str, Any]]], selected: Mapping[int, int], series: Series
) -> bool:
    """Draw one series of every fold; return whether there was anything to draw."""
    drawn = False
    for number, (fold, records) in enumerate(folds.items()):
        values = {int(record["epoch"]): record.get(series.key) for record in records}
        if all(value is None for value in values.values()):
            continue
        line: dict[str, Any] = {"color": series.colour, "marker": ".", "markersize": 6}
        if len(folds) > 1:
            line = {**fold_style(number, len(folds)), "linewidth": 1.2}
        points = {epoch: float("nan") if value is None else float(value) for epoch, value in values.items()}
        axes.plot(list(points), list(points.values()), linestyle=series.style, **line)
        if selected.get(fold) in points:
            epoch = selected[fold]
            axes.plot([epoch], [points[epoch]], "o", color=line["color"], ms=8, markeredgecolor=INK, zorder=5)
        drawn = True
    return drawn


def _finish(
    axes: Axes, drawn: Sequence[Series], folds: Mapping[int, Sequence[Mapping[str, Any]]], selected: Mapping[int, int]
) -> None:
    """Add the legend of the sets, the selected epoch and whole epochs as ticks."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    if len(folds) == 1:
        for epoch in selected.values():
            axes.axvline(epoch, color=GREY, linewidth=1.0, linestyle=":", zorder=1)
    last = max(int(record["epoch"]) for records in folds.values() for record in records)
    axes.set_xlim(0.8, max(last, 2) + 0.2)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.12)
    handles = [
        Line2D([], [], color=s.colour if len(folds) == 1 else INK, linestyle=s.style, label=s.label)  # type: ignore[arg-type]
        for s in drawn
    ]
    axes.legend(handles=handles, loc="best", ncols=len(drawn))


def _add_fold_legend(figure: Figure, axes: Axes, folds: Mapping[int, Any]) -> None:
    """Name the colours of the folds, above the first panel."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=fold_style(number, len(folds))["color"], label=f"fold {fold}")
        for number, fold in enumerate(folds)
    ]
    place = axes.get_position()
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(place.x0, place.y1),
        ncols=LEGEND_COLUMNS,
        columnspacing=1.0,
        handlelength=1.0,
        borderaxespad=0.1,
    )


def _subtitle(folds: Mapping[int, Sequence[Mapping[str, Any]]], selected: Mapping[int, int]) -> str:
    if not folds:
        return "no epoch was recorded"
    most = count(max(len(records) for records in folds.values()), "epoch")
    if len(folds) > 1:
        text = f"{len(folds)} folds of up to {most}, one line each"
        return f"{text}; outlined dots: the selected epochs" if selected else text
    if not selected:
        return most
    return f"{most}; outlined dots and dotted line: selected epoch {', '.join(map(str, selected.values()))}"
