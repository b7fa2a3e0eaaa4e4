"""From a finished run to ``report.html``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from echokit.errors import EchokitError
from echokit.files import write_text
from echokit.page.comparison import Comparison
from echokit.page.content import content
from echokit.page.figures import overlaid
from echokit.page.loops import Source
from echokit.report.wording import title
from echokit.run_directory import Run

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = "report.html"
LARGEST = 5 * 2**20
HERE = Path(__file__).parent


def write_page(
    run: Run,
    *,
    notes: Sequence[str] = (),
    tried: int = 1,
    division: str = "",
    source: Source | None = None,
    cases: int = 4,
) -> Path:
    """Write the page of a run: one file without network, below 5 MB.

    Args:
        run: A finished run.
        notes: Warnings about the data.
        tried: Configurations tried on the same data in the same folder, this one included.
        division: How the data were divided, in words.
        source: Gives the frames of a case, or None; real patients only where the user asked for them.
        cases: How many of the most wrong and of the most certain cases are shown.

    Returns:
        The file.

    Raises:
        EchokitError: The run is not finished, or the page can not be written.
    """
    page = _render(run, notes, tried, division, source, cases)
    while len(page.encode()) > LARGEST and cases:
        cases //= 2
        page = _render(run, notes, tried, division, source if cases else None, cases)
    return _write(run.path / NAME, page)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page of several runs: one file without network.

    Raises:
        EchokitError: It can not be written.
    """
    found = [run.curves for run in comparison.runs]
    page = (
        _environment()
        .get_template("compare.html")
        .render(
            names=comparison.names,
            stamp=next((stamp for stamp in comparison.stamps if stamp), None),
            stamps=comparison.stamps,
            metrics=comparison.metrics,
            pairs=comparison.pairs,
            recipes=comparison.recipes,
            charts=overlaid(comparison.names, found, "test"),
            css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
        )
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return _write(path, page)


def _write(path: Path, page: str) -> Path:
    try:
        write_text(path, page)
    except OSError as error:
        raise EchokitError(f"the report can not be written: {error.strerror}", where=str(path)) from None
    return path


def _render(run: Run, notes: Sequence[str], tried: int, division: str, source: Source | None, cases: int) -> str:
    environment = _environment()
    found = content(run, notes=notes, tried=tried, division=division, source=source, cases=cases)
    # A script may hold no "</": JSON allows the escape.
    data = Markup(json.dumps(found["slider"]).replace("<", "\\u003c"))
    css = Markup((HERE / "page.css").read_text(encoding="utf-8"))
    js = Markup((HERE / "page.js").read_text(encoding="utf-8"))
    return environment.get_template("page.html").render(**found, slider_json=data, css=css, js=js)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.filters["title_of"] = title
    environment.filters["signed"] = lambda value: "undefined" if value is None else f"{value:+.3f}"
    return environment
