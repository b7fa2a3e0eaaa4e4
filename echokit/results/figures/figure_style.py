"""The common style of all figures: font, colours, title, stamp and file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from echokit.system.files import named_file

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito (2008): distinct with every common form of colour blindness.
BLUE, VERMILLION, GREEN = "#0072B2", "#D55E00", "#009E73"
ORANGE, PURPLE, SKY = "#E69F00", "#CC79A7", "#56B4E9"
# The last four are of Tol (2021), for more than six folds.
FOLD_COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, "#332288", "#882255", "#999933", "#222222")
MOST_FOLDS_NAMED = len(FOLD_COLOURS)
INK, GREY, PALE = "#222222", "#6B6B6B", "#E6E6E6"

WIDTH, HEIGHT, DPI = 6.0, 5.0, 150
BANNER = 0.30  # inches
HEAD = 0.78  # inches for title and subtitle

_RC: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 10,
    "text.usetex": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": True,
    "legend.framealpha": 0.92,
    "legend.edgecolor": "none",
    "legend.fontsize": 9,
    "lines.linewidth": 2.0,
    "lines.solid_capstyle": "round",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Replace the user's matplotlibrc by the project's style in the block."""
    import matplotlib

    with matplotlib.rc_context(_RC):
        yield


def new_figure(title: str, subtitle: str, *, stamp: str | None, height: float = HEIGHT) -> Figure:
    """Create an empty figure with its title and stamp.

    Args:
        title: One line, bold.
        subtitle: One line below it.
        stamp: PHANTOM DATA, or None.
        height: Inches.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    class Inline(Figure):
        """A figure that a notebook shows even if pyplot was never imported."""

        def _repr_png_(self) -> bytes:
            drawn = io.BytesIO()
            self.savefig(drawn, format="png")
            return drawn.getvalue()

    figure = Inline(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
    figure.set_label(title)
    top = height
    if stamp:
        top -= BANNER
        figure.add_artist(
            Rectangle((0, top / height), 1, BANNER / height, transform=figure.transFigure, color=VERMILLION)
        )
        align: dict[str, Any] = {"ha": "center", "va": "center", "fontweight": "bold"}
        figure.text(0.5, (top + BANNER / 2) / height, stamp, color="white", fontsize=11, **align)
        mark = figure.text(0.54, 0.42, stamp, color=VERMILLION, fontsize=42, rotation=30, alpha=0.14, **align)
        mark.set_zorder(10)
    left = 0.75 / WIDTH
    figure.text(left, (top - 0.17) / height, title, fontsize=12.5, fontweight="bold", va="top")
    figure.text(left, (top - 0.45) / height, subtitle, fontsize=9.5, color=GREY, va="top")
    return figure


def add_panel(figure: Figure, *, stamp: str | None, row: int = 0, rows: int = 1, above: float = 0.0) -> Axes:
    """Add axes below the title; several rows share the space.

    Args:
        figure: From ``new_figure``.
        stamp: The same as for ``new_figure``.
        row: Number of the row, from the top.
        rows: Number of rows.
        above: Free space between title and axes, in inches.
    """
    width, height = figure.get_size_inches()
    bottom, top = 0.62, height - HEAD - above - (BANNER if stamp else 0)
    gap = 0.22
    each = (top - bottom - gap * (rows - 1)) / rows
    lower = top - (row + 1) * each - row * gap
    return figure.add_axes((0.75 / width, lower / height, (width - 0.75 - 0.25) / width, each / height))


def show_message(axes: Axes, text: str) -> None:
    """Write into empty axes why nothing is drawn."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    axes.set_facecolor("#F6F6F6")
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.text(0.5, 0.5, text, ha="center", va="center", linespacing=1.6, transform=axes.transAxes)


def fold_style(number: int, folds: int) -> dict[str, Any]:
    """Choose the line of a fold: its own colour, or one pale colour for many folds.

    Curves of small folds often coincide: the earlier ones are wider, so that they show below the later.

    Args:
        number: Place of the fold, from 0.
        folds: Number of folds.
    """
    if folds > MOST_FOLDS_NAMED:
        return {"color": BLUE, "linewidth": 1.4, "alpha": 0.35}
    return {"color": FOLD_COLOURS[number], "linewidth": 1.4 + 3.0 * (folds - 1 - number) / folds}


def save(figure: Figure, path: Path) -> None:
    """Write a PNG that depends on the picture only: no time, no software version."""
    with named_file(path):
        figure.savefig(path, format="png", dpi=DPI, metadata={"Software": None})
