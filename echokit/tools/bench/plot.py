"""The plot of a table: a test metric of each row with its interval, or the growth curves of a measure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.tools.bench.columns import column_named
from echokit.tools.bench.table import Table, TableRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_table(table: Table, path: Path) -> Path | None:
    """Plot a table; None if it has nothing to plot."""
    from echokit.results.figures.figure_style import house_style, save

    test_columns = [spec for spec in table.suite.settings.columns if spec.startswith("test.")]
    spec = next((spec for spec in test_columns if "auroc" in spec), test_columns[0] if test_columns else None)
    rows = [row for row in table.rows if spec and spec in row.values and row.values[spec].number is not None]
    growths = [growth for row in table.rows for growth in (row.measured or {}).get("growth", [])]
    with house_style():
        if spec and rows:
            save(_interval_plot(table, spec, rows), path)
        elif growths:
            save(_growth_plot(table, growths), path)
        else:
            return None
    return path


def _interval_plot(table: Table, spec: str, rows: list[TableRow]) -> Figure:
    from echokit.results.figures.figure_style import BLUE, GREY, INK, new_figure

    column = column_named(spec)
    height = 1.9 + 0.34 * len(rows)
    seeds = max(len(row.seeds) for row in rows)
    over = f"mean of {seeds} seeds, " if seeds > 1 else ""
    figure = new_figure(
        table.suite.settings.title,
        f"{column.head}, {over}95 % interval over patients",
        stamp=table.stamp,
        height=height,
    )
    top = (height - 1.35) / height
    left = max(0.42, 0.0128 * max(len(row.label) for row in rows))  # room for the longest label
    axes = figure.add_axes((left, 0.5 / height, 0.96 - left, top - 0.5 / height + 0.2 / height))
    for position, row in enumerate(reversed(rows)):
        value = row.values[spec]
        if value.low is not None and value.high is not None:
            axes.plot([value.low, value.high], [position, position], color=BLUE, linewidth=2)
        assert value.number is not None
        axes.plot([value.number], [position], "o", color=BLUE, markersize=6)
    base = next((row.values[spec].baseline for row in rows if row.values[spec].baseline is not None), None)
    if base is not None:
        axes.axvline(base, color=GREY, linestyle="--", linewidth=1)
        side = "left" if base < sum(axes.get_xlim()) / 2 else "right"
        axes.annotate(
            " without information ",
            (base, len(rows) - 0.45),
            color=GREY,
            fontsize=8,
            ha=side,
            va="bottom",
            annotation_clip=False,
        )
    axes.set_yticks(range(len(rows)), [row.label for row in reversed(rows)], color=INK)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(column.head)
    return figure


def _growth_plot(table: Table, growths: list[dict[str, Any]]) -> Figure:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    from echokit.results.figures.figure_style import FOLD_COLOURS, new_figure

    title = table.suite.settings.title
    height = 0.8 + 2.9 * ((len(growths) + 1) // 2)
    figure = new_figure(
        title, "cost against amount of work, with the fitted exponent", stamp=table.stamp, height=height
    )
    lines = (len(growths) + 1) // 2
    for index, growth in enumerate(growths):
        line, column = divmod(index, 2)
        bottom = 1 - (1.0 + (line + 1) * (height - 1.1) / lines - 0.55) / height
        axes = figure.add_axes((0.11 + 0.5 * column, bottom, 0.36, ((height - 1.1) / lines - 0.95) / height))
        for colour, (name, points) in zip(FOLD_COLOURS, growth["series"].items(), strict=False):
            exponent = fitted_exponent([p[0] for p in points], [p[1] for p in points])
            slope = "" if exponent is None else f" (exponent {exponent:.2f})"
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, label=f"{name}{slope}")
        axes.set_xscale("log")
        axes.set_yscale("log")
        amounts = sorted({point[0] for points in growth["series"].values() for point in points})
        axes.set_xticks(amounts, [f"{amount:,g}" for amount in amounts], fontsize=7)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.tick_params(axis="y", labelsize=8)
        axes.set_xlabel(growth["work"], fontsize=8)
        axes.set_ylabel(growth["cost"], fontsize=8)
        axes.set_title(growth["title"], fontsize=9, loc="left")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * (high / low) ** 0.3)  # room for the names of the lines
        axes.legend(fontsize=7)
    return figure


def fitted_exponent(work: list[float], cost: list[float]) -> float | None:
    """Fit the slope of log(cost) on log(work); None below two amounts."""
    import numpy as np

    if len(set(work)) < 2 or min(cost) <= 0 or min(work) <= 0:
        return None
    return float(np.polyfit(np.log(work), np.log(cost), 1)[0])
