"""The files of a table: Markdown, CSV, JSON and a plot."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echokit.results.summary.summary import markdown_table
from echokit.system.csv_cells import write_rows
from echokit.system.files import write_text
from echokit.tools.bench.columns import Column, Value, column_named
from echokit.tools.bench.table import Table, TableRow

grid = markdown_table  # under this name the pages of the repository import it


def write_bench_table(table: Table, folder: Path) -> list[Path]:
    """Write ``SUITE-SCALE`` as .md, .csv, .json and, if it has a plot, .png.

    Returns:
        The files, Markdown first.
    """
    from echokit.tools.bench.plot import plot_table

    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{table.suite.name}-{table.suite.scale}"
    plot = plot_table(table, stem.with_suffix(".png"))
    files = {".md": _markdown(table, plot), ".csv": _csv_text(table), ".json": _json_text(table)}
    written = []
    for suffix, text in files.items():
        path = stem.with_suffix(suffix)
        write_text(path, text)
        written.append(path)
    return [*written, plot] if plot else written


def _title(table: Table) -> str:
    """Return the title, which starts with PHANTOM DATA if the data are synthetic."""
    return f"{table.stamp}: {table.suite.settings.title}" if table.stamp else table.suite.settings.title


def _markdown(table: Table, plot: Path | None) -> str:
    """Format the table as Markdown, with what is needed to read and to reproduce it."""
    settings = table.suite.settings
    parts = [f"# {_title(table)}"]
    if table.stamp:
        parts.append(
            f"> **{table.stamp}.** Synthetic hearts: these results test the software. They do not apply to patients "
            "and must not be compared with published ones."
        )
    if settings.about:
        parts.append(settings.about.strip())
    if table.suite.scale == "tiny" and table.stamp:
        parts.append("Scale tiny only shows that everything runs, with few patients and little training.")
    runs = [row for row in table.rows if row.measured is None]
    if runs and settings.columns:
        parts.append(_values_table(table, runs))
        parts.append(_how_to_read(table, runs))
    ratios = [ratio for row in table.rows for ratio in (row.measured or {}).get("ratios", [])]
    if ratios:
        parts.append("## Side by side\n\nMedian times; both ways took turns in one run.")
        parts.append(ratio_table(ratios))
    parts += [_measured(row) for row in table.rows if row.measured is not None]
    failed = [f"- **failed: {row.label}**: {_one_line(row.problem)}" for row in table.rows if row.problem]
    if failed:
        parts.append("## Failed cells\n\n" + "\n".join(failed))
    if table.answers:
        parts.append(_questions(table))
    if table.judged:
        body = [[judged.claim, judged.published, judged.values, judged.verdict] for judged in table.judged]
        head = ["the reference study observed", "its own numbers", "ours", "verdict"]
        parts.append("## Observations of the reference study\n\n" + markdown_table(head, body))
    if plot:
        parts.append(f"![{settings.title}]({plot.name})")
    if settings.notes:
        parts.append("\n".join(f"- {note}" for note in settings.notes))
    parts.append(_made_by(table, runs))
    return "\n\n".join(parts) + "\n"


def field(column: Column, value: Value) -> str:
    """Format a value: ``0.870 (0.800 to 0.920), seed SD 0.010``."""
    if value.number is None:
        return value.text or ""
    text = column.write(value.number)
    if value.fold_sd is not None:
        text += f" ± {column.write(value.fold_sd)}"
    if value.low is not None and value.high is not None:
        text += f" ({column.write(value.low)} to {column.write(value.high)})"
    if value.seed_sd is not None and "." in column.spec:
        text += f", seed SD {column.write(value.seed_sd)}"
    return text


def _values_table(table: Table, rows: Sequence[TableRow]) -> str:
    columns = [column_named(spec) for spec in table.suite.settings.columns]
    columns = [c for c in columns if any(c.spec in row.values for row in rows)]
    head = ["", *(column.head for column in columns)]
    body = []
    for row in rows:
        fields = [field(c, row.values[c.spec]) if c.spec in row.values else "failed" for c in columns]
        body.append([row.label, *fields])
    return markdown_table(head, body)


def _how_to_read(table: Table, rows: Sequence[TableRow]) -> str:
    lines = ["Parentheses: 95 % interval over patients. Seed SD: sample SD over seeds."]
    seeds = sorted({seed for row in rows for seed in row.seeds})
    lines.append(f"Seeds: {', '.join(map(str, seeds))}.")
    for row in rows:
        metrics = [v for spec, v in row.values.items() if spec.startswith("test.") and v.n]
        if metrics:
            first = max(metrics, key=lambda value: value.n or 0)
            lines.append(f"Test set: n = {first.n}, {first.events} positive.")
            break
    baselines = {
        column_named(spec).head: f"{value.baseline:.3f}"
        for row in rows[:1]
        for spec, value in row.values.items()
        if value.baseline is not None
    }
    if baselines:
        lines.append("Without information: " + ", ".join(f"{head} {base}" for head, base in baselines.items()) + ".")
    return " ".join(lines)


def _questions(table: Table) -> str:
    body = []
    for answer in table.answers:
        if answer.difference is None:
            body.append([answer.question, answer.label, answer.metric, answer.problem or "undefined", "", ""])
            continue
        ends = f"{answer.low:+.3f} to {answer.high:+.3f}" if answer.low is not None else "none"
        body.append(
            [
                answer.question,
                answer.label,
                answer.metric,
                f"{answer.difference:+.3f}",
                ends,
                _verdict(answer.low, answer.high),
            ]
        )
    head = ["question", "difference of", "metric", "difference", "95 % interval", "verdict"]
    return "## Questions, on the same test patients\n\n" + markdown_table(head, body)


def _verdict(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "undecided"
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "no difference shown"


def _measured(row: TableRow) -> str:
    measured = row.measured
    parts = [f"## {measured.get('title', row.label)}"]
    if measured.get("about"):
        parts.append(str(measured["about"]))
    for table in measured.get("tables", []):
        if table.get("title"):
            parts.append(f"### {table['title']}")
        parts.append(markdown_table(table["head"], [[str(cell) for cell in line] for line in table["rows"]]))
    if measured.get("notes"):
        parts.append("\n".join(f"- {line}" for line in measured["notes"]))
    return "\n\n".join(parts)


def ratio_table(ratios: Sequence[Mapping[str, Any]]) -> str:
    """Format the timings of all measures as a table of ratios.

    Each has ``what, usual_way, ours, usual, asked, note``.
    """
    body = []
    for ratio in ratios:
        times, target = ratio["usual"] / ratio["ours"], ratio["asked"]
        verdict = "as fast" if 0.98 < times < 1.02 else "faster" if times > 1 else "slower"
        if target is not None:
            verdict = "reached" if times >= target else "**not reached**"
        body.append(
            [
                ratio["what"],
                ratio["usual_way"],
                _seconds(ratio["usual"]),
                _seconds(ratio["ours"]),
                f"{times:.3g}x",
                "" if target is None else f"{target:g}x",
                f"{verdict}; {ratio['note']}" if ratio["note"] else verdict,
            ]
        )
    head = ["what", "the usual way", "usual", "echokit", "times faster", "asked", "note"]
    return markdown_table(head, body)


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _made_by(table: Table, runs: Sequence[TableRow]) -> str:
    suite, machine = table.suite, table.machine
    lines = [f"Created by `echokit bench {suite.name} --scale {suite.scale}`"]
    if machine:
        packages = machine["packages"]
        lines.append(f"on {machine['processor']}, {machine['cores']} cores,")
        lines.append(f"Python {machine['python']}, torch {packages['torch']}")
    text = " ".join(lines) + "."
    if any(row.recipe_hashes for row in runs):
        body = [[row.label, ", ".join(h[:12] for h in row.recipe_hashes)] for row in runs if row.recipe_hashes]
        text += "\n\n## Locks\n\n" + markdown_table(["row", "recipe hash of each seed"], body)
    return "---\n\n" + text


def _csv_text(table: Table) -> str:
    """Format every number of the table as CSV, one line per row and column."""
    out = io.StringIO()
    names = ("number", "low", "high", "seed_sd", "fold_sd", "n", "events", "baseline", "text")
    lines: list[list[Any]] = [["row", "column", *names, "seeds", "data"]]
    for row in table.rows:
        for spec, value in row.values.items():
            numbers = [getattr(value, name) for name in names]  # None is written as an empty field
            lines.append([row.name, spec, *numbers, " ".join(map(str, row.seeds)), table.stamp or ""])
        for name, number in _measured_numbers(row.measured):
            lines.append([row.name, name, number, *[""] * 8, " ".join(map(str, row.seeds)), table.stamp or ""])
    write_rows(out, lines)
    return out.getvalue()


def _measured_numbers(measured: Any) -> list[tuple[str, float]]:
    """List the named numbers and speed ratios of a measure."""
    content = measured or {}
    ratios = {f"times faster: {ratio['what']}": ratio["usual"] / ratio["ours"] for ratio in content.get("ratios", [])}
    return [(str(name), float(number)) for name, number in {**content.get("numbers", {}), **ratios}.items()]


def _json_text(table: Table) -> str:
    """Format the whole table as JSON, which ``echokit bench-diff`` reads."""
    content = {
        "suite": table.suite.name,
        "scale": table.suite.scale,
        "title": _title(table),
        "data": table.stamp,
        "machine": dict(table.machine),
        "columns": table.suite.settings.columns,
        "rows": [asdict(row) for row in table.rows],
        "answers": [asdict(answer) for answer in table.answers],
        "observations": [asdict(judged) for judged in table.judged],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())
