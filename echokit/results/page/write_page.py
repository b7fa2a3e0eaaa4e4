"""Write ``report.html`` of a finished run, and the page of a comparison."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from echokit.errors import EchokitError
from echokit.results.page.page_content import PageSettings, content
from echokit.results.page.run_charts import overlaid
from echokit.results.page.run_comparison import Comparison
from echokit.results.run import Run
from echokit.results.wording import title
from echokit.system.files import write_text

if TYPE_CHECKING:
    from jinja2 import Environment

NAME = "report.html"
LARGEST = 5 * 2**20
HERE = Path(__file__).parent


def write_page(run: Run, settings: PageSettings) -> Path:
    """Write the page of a run: one file without network, below 5 MB.

    Args:
        run: A finished run.
        settings: What the run's own files do not contain.

    Returns:
        The file.

    Raises:
        EchokitError: The run is unfinished, or the page cannot be written.
    """
    page = _render(run, settings)
    while len(page.encode()) > LARGEST and settings.cases:
        cases = settings.cases // 2
        settings = replace(settings, cases=cases, source=settings.source if cases else None)
        page = _render(run, settings)
    return _write(run.path / NAME, page)


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page of several runs: one file without network.

    Raises:
        EchokitError: The page cannot be written.
    """
    stamp = next((stamp for stamp in comparison.stamps if stamp), None)
    template = _environment().get_template("compare.html")
    page = template.render(
        names=comparison.names,
        stamp=stamp,
        stamps=comparison.stamps,
        metrics=comparison.metrics,
        pairs=comparison.pairs,
        recipes=comparison.recipes,
        charts=overlaid(comparison.names, [run.curves for run in comparison.runs], "test", stamp),
        css=_asset("page.css"),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    return _write(path, page)


def _write(path: Path, page: str) -> Path:
    try:
        write_text(path, page)
    except OSError as error:
        raise EchokitError(
            f"the report cannot be written: {error.strerror}", where=str(path), code="report.not_writable"
        ) from None
    return path


def _render(run: Run, settings: PageSettings) -> str:
    environment = _environment()
    values = content(run, settings)
    # A script must not contain "</": JSON allows the escape.
    data = Markup(json.dumps(values["slider"]).replace("<", "\\u003c"))
    template = environment.get_template("page.html")
    return template.render(**values, slider_json=data, css=_asset("page.css"), js=_asset("page.js"))


def _asset(name: str) -> Markup:
    return Markup((HERE / name).read_text(encoding="utf-8"))


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["thousands"] = lambda value: f"{value:,}"
    environment.filters["title_of"] = title
    environment.filters["signed"] = lambda value: "undefined" if value is None else f"{value:+.3f}"
    return environment
