"""Learning curves: loss, accuracy and AUROC by epoch, with the selected epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from echokit.results.figures.figure_style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    add_panel,
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


def learning_curves_figure(
    history: Sequence[Mapping[str, Any]], *, selected: Mapping[int, int] | None = None, stamp: str | None = None
) -> Figure:
    """Draw loss, accuracy and AUROC against the epoch, one line a fold.

    Args:
        history: Lines of history.jsonl: ``epoch``, optional ``fold`` (0), and any of ``train_loss, val_loss,
            train_accuracy, val_accuracy, val_auroc``, where None means undefined.
        selected: The selected epoch of each fold, which is marked; None marks none.
        stamp: PHANTOM DATA, or None.
    """
    from matplotlib.ticker import MaxNLocator

    selected = selected or {}
    folds: dict[int, list[Mapping[str, Any]]] = {}
    for record in history:
        folds.setdefault(int(record.get("fold", 0)), []).append(record)
    with house_style():
        figure = new_figure("Learning curves", _subtitle(folds, selected), stamp=stamp, height=6.5)
        for row, (title, lines) in enumerate(PANELS):
            axes = add_panel(figure, stamp=stamp, row=row, rows=len(PANELS))
            axes.set_ylabel(title)
            drawn = [_draw(axes, folds, selected, line) for line in lines]
            if not any(drawn):
                show_message(axes, f"{title} was not recorded or is undefined")
                continue
            if len(folds) == 1:
                for epoch in selected.values():
                    axes.axvline(epoch, color=GREY, linewidth=1.0, linestyle=":", zorder=1)
            last = max(int(record["epoch"]) for record in history)
            axes.set_xlim(0.8, max(last, 2) + 0.2)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.margins(y=0.12)
            axes.legend(loc="best", ncols=len(lines))
            if row < len(PANELS) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("Epoch")
    return figure


def _draw(
    axes: Axes, folds: Mapping[int, Sequence[Mapping[str, Any]]], selected: Mapping[int, int], series: Series
) -> bool:
    """Draw one series of every fold; return whether there was anything to draw."""
    drawn = False
    several = len(folds) > 1
    line: dict[str, Any] = {"color": series.colour, "linestyle": series.style, "marker": "."}
    line |= {"linewidth": 1.2, "alpha": 0.6, "markersize": 3} if several else {"markersize": 6}
    for fold, records in folds.items():
        values = {int(record["epoch"]): record.get(series.key) for record in records}
        if all(value is None for value in values.values()):
            continue
        points = {epoch: float("nan") if value is None else float(value) for epoch, value in values.items()}
        axes.plot(list(points), list(points.values()), label=None if drawn else series.label, **line)
        if selected.get(fold) in points:
            epoch = selected[fold]
            axes.plot([epoch], [points[epoch]], "o", color=series.colour, ms=8, markeredgecolor=INK, zorder=5)
        drawn = True
    return drawn


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
