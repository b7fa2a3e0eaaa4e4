"""Curves that evaluators define themselves: one chart each, one line a fold and series."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from echokit.evaluation.curve import is_drawn
from echokit.evaluation.evaluation import Metric
from echokit.results.figures.curve_figures import CHANCE
from echokit.results.figures.figure_style import (
    BLUE,
    FOLD_COLOURS,
    MOST_FOLDS_NAMED,
    add_panel,
    fold_style,
    house_style,
    new_figure,
)
from echokit.results.wording import count, set_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_TITLE, LONGEST_LABEL, LONGEST_NAME, LONGEST_TEXT = 38, 64, 32, 400
MOST_POINTS = 2_000
"""Of a line that is drawn; more would be hidden by the width of the line, and make the page large."""
MOST_NAMED = 12
_NO_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def drawn_curves(curves: Mapping[str, Any], split: str) -> dict[str, list[dict[str, Any]]]:
    """Select the curves that evaluators define themselves: name to one content a fold."""
    found = {name: list(splits.get(split, [])) for name, splits in curves.items() if isinstance(splits, Mapping)}
    return {name: folds for name, folds in found.items() if folds and all(map(is_drawn, folds))}


def curve_figure(
    folds: Sequence[Mapping[str, Any]], *, positive: str, split: str = "test", stamp: str | None = None
) -> Figure:
    """Draw a curve that an evaluator defines, one line a fold and series.

    Args:
        folds: The content of ``curves.json``, one a fold.
        positive: Name of the positive class.
        split: Which split.
        stamp: PHANTOM DATA, or None.
    """
    import matplotlib

    first = folds[0]
    names = list(dict.fromkeys(name for fold in folds for name in fold["series"]))
    # A name of a plugin is no formula: `$` is a dollar sign.
    with house_style(), matplotlib.rc_context({"text.parse_math": False}):
        title = f"{plain(first['title'], LONGEST_TITLE)}, {set_name(split)}"
        figure = new_figure(title, patients_of(folds, positive), stamp=stamp)
        axes = add_panel(figure, stamp=stamp)
        labelled: set[str] = set()
        for i, fold in enumerate(folds):
            for j, name in enumerate(names):
                if name not in fold["series"]:
                    continue
                style, label = _line(i, j, fold, len(folds), [plain(one, LONGEST_NAME) for one in names])
                x, y = (_thinned(fold["series"][name][axis]) for axis in ("x", "y"))
                style |= {"marker": "o"} if len(x) == 1 else {}
                axes.plot(x, y, label=None if label in labelled else label, **style)
                labelled.add(label)
        if first["reference"] is not None:
            label = plain(first["reference_label"], LONGEST_NAME)
            axes.plot(first["reference"]["x"], first["reference"]["y"], label=label, **CHANCE)
            labelled.add(label)
        axes.set_xlabel(plain(first["x_label"], LONGEST_LABEL))
        axes.set_ylabel(plain(first["y_label"], LONGEST_LABEL))
        if labelled - {""}:
            axes.legend(loc="best")
    return figure


def curve_caption(name: str, folds: Sequence[Mapping[str, Any]], metrics: Sequence[Metric], split: str) -> str:
    """Describe a chart: what it shows, patients, folds without a curve, its plugin.

    Args:
        name: Name of the curve, with its plugin.
        folds: The content of ``curves.json``, one a fold.
        metrics: Of the run.
        split: Which split.
    """
    n, events = _counts(folds)
    title = plain(folds[0]["title"], LONGEST_TEXT)
    parts = [title] if len(title) > LONGEST_TITLE else []  # the chart has no space for all of it
    parts.append(plain(folds[0]["description"], LONGEST_TEXT).rstrip("."))
    parts.append(f"n {n:,}, {events:,} positive")
    every = {(metric.repeat, metric.fold) for metric in metrics if metric.split == split and metric.fold is not None}
    missing = len(every) - len({(fold["repeat"], fold["fold"]) for fold in folds})
    if missing > 0:
        parts.append(f"{missing} of {len(every)} folds have no such curve")
    plugin = name.rpartition(":")[0]
    if plugin:
        parts.append(f"Computed by the plugin {plain(plugin, LONGEST_NAME)}")
    return ". ".join(part for part in parts if part) + "."


def patients_of(folds: Sequence[Mapping[str, Any]], positive: str) -> str:
    """Count the patients of a chart, each once."""
    n, events = _counts(folds)
    text = f"{count(n, 'patient')}, {events:,} positive ({positive})"
    return text if len(folds) == 1 else f"{text}, over {len(folds)} folds"


def plain(text: str, longest: int) -> str:
    """Make one line of text that can be drawn: no control characters, not too long."""
    text = " ".join(_NO_TEXT.sub(" ", text).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _counts(folds: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    counted = [fold for fold in folds if fold["repeat"] == folds[0]["repeat"]]
    return sum(fold["n"] for fold in counted), sum(fold["events"] for fold in counted)


def _line(i: int, j: int, fold: Mapping[str, Any], folds: int, names: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Choose style and legend of series j of fold i."""
    # matplotlib leaves out a label that begins with "_".
    name = (names[j].lstrip("_") or "unnamed") if j < MOST_NAMED else ""
    colour = FOLD_COLOURS[j % len(FOLD_COLOURS)]
    if folds == 1:
        style: dict[str, Any] = {"color": BLUE if len(names) == 1 else colour, "linewidth": 2.4}
        return style, name if len(names) > 1 else ""
    if len(names) == 1:
        named = folds <= MOST_FOLDS_NAMED
        return fold_style(i, folds), f"fold {fold['fold']}" if named else f"{folds} folds, one line each"
    return {"color": colour, "linewidth": 1.4, "alpha": 0.55}, f"{name}, one line a fold" if name else ""


def _thinned(values: Sequence[float]) -> list[float]:
    """Keep both ends and every k-th point between them."""
    step = max(1, math.ceil(len(values) / MOST_POINTS))
    return [*values[:-1:step], values[-1]]
