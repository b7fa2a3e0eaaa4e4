"""Learning curves: what training did, epoch by epoch, and which epoch was selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from echokit.report.style import (
    BLUE,
    GREY,
    INK,
    VERMILLION,
    add_panel,
    house_style,
    new_figure,
    say,
)
from echokit.report.wording import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panel title, then (key in history.jsonl, label, colour, line style): told apart without colour too.
PANELS = (
    ("Loss", (("train_loss", "train", BLUE, "-"), ("val_loss", "val", VERMILLION, "--"))),
    ("Accuracy", (("train_accuracy", "train", BLUE, "-"), ("val_accuracy", "val", VERMILLION, "--"))),
    ("AUROC", (("val_auroc", "val", VERMILLION, "--"),)),
)


def learning_curves_figure(
    history: Sequence[Mapping[str, Any]], *, selected: Mapping[int, int], stamp: str | None = None
) -> Figure:
    """Draw loss, accuracy and AUROC against the epoch, one line a fold, with the selected epoch marked.

    Args:
        history: Lines of history.jsonl: ``epoch``, optional ``fold`` (0), and any of ``train_loss, val_loss,
            train_accuracy, val_accuracy, val_auroc``, where None means undefined.
        selected: The selected epoch of each fold.
        stamp: Words such as PHANTOM DATA, or None.
    """
    from matplotlib.ticker import MaxNLocator

    folds: dict[int, list[Mapping[str, Any]]] = {}
    for record in history:
        folds.setdefault(int(record.get("fold", 0)), []).append(record)
    with house_style():
        figure = new_figure("Learning curves", _subtitle(folds, selected), stamp=stamp, height=6.5)
        for row, (title, series) in enumerate(PANELS):
            axes = add_panel(figure, stamp=stamp, row=row, rows=len(PANELS))
            axes.set_ylabel(title)
            drawn = False
            for key, label, colour, style in series:
                drawn |= _draw(axes, folds, selected, key, label, colour, style)
            if not drawn:
                say(axes, f"{title} was not recorded or is undefined")
                continue
            if len(folds) == 1:
                for epoch in selected.values():
                    axes.axvline(epoch, color=GREY, linewidth=1.0, linestyle=":", zorder=1)
            last = max(int(record["epoch"]) for record in history)
            axes.set_xlim(0.8, max(last, 2) + 0.2)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.margins(y=0.12)
            axes.legend(loc="best", ncols=len(series))
            if row < len(PANELS) - 1:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("Epoch")
    return figure


def _draw(
    axes: Axes,
    folds: Mapping[int, Sequence[Mapping[str, Any]]],
    selected: Mapping[int, int],
    key: str,
    label: str,
    colour: str,
    style: str,
) -> bool:
    """Draw one series of every fold; say whether there was anything to draw."""
    drawn = False
    many = len(folds) > 1
    for fold, records in folds.items():
        points = [(int(r["epoch"]), r.get(key)) for r in records]
        if all(value is None for _, value in points):
            continue
        epochs = [epoch for epoch, _ in points]
        values = [float("nan") if value is None else float(value) for _, value in points]
        axes.plot(
            epochs,
            values,
            color=colour,
            linestyle=style,
            linewidth=1.2 if many else 2.0,
            alpha=0.6 if many else 1.0,
            marker=".",
            markersize=3 if many else 6,
            label=None if drawn else label,
        )
        for epoch, value in zip(epochs, values, strict=True):
            if epoch == selected.get(fold):
                axes.plot([epoch], [value], "o", color=colour, markersize=8, markeredgecolor=INK, zorder=5)
        drawn = True
    return drawn


def _subtitle(folds: Mapping[int, Sequence[Mapping[str, Any]]], selected: Mapping[int, int]) -> str:
    if not folds:
        return "no epoch was recorded"
    most = max(len(records) for records in folds.values())
    if len(folds) > 1:
        each = f"{len(folds)} folds of up to {count(most, 'epoch')}"
        return f"{each}, one line each; outlined dots: the selected epochs"
    chosen = ", ".join(str(epoch) for epoch in selected.values())
    return f"{count(most, 'epoch')}; outlined dots and dotted line: selected epoch {chosen or 'none'}"
