"""The files of a table: Markdown to read, CSV and JSON to compute with, a plot to look at."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echokit.bench.columns import Column, Value, column_named
from echokit.bench.table import Table, TableRow


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write ``SUITE-SCALE.md``, ``.csv``, ``.json`` and, where there is something to draw, ``.png``.

    Returns:
        The files, the Markdown first.
    """
    from echokit.bench.plot import plot_table

    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{table.suite.name}-{table.suite.scale}"
    plot = plot_table(table, stem.with_suffix(".png"))
    files = {".md": markdown(table, plot), ".csv": csv_text(table), ".json": json_text(table)}
    written = []
    for suffix, text in files.items():
        path = stem.with_suffix(suffix)
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return [*written, plot] if plot else written


def title(table: Table) -> str:
    """The title, which starts with PHANTOM DATA where the data are synthetic."""
    return f"{table.stamp}: {table.suite.settings.title}" if table.stamp else table.suite.settings.title


def markdown(table: Table, plot: Path | None = None) -> str:
    """The table as Markdown, with what is needed to read and to make it again."""
    settings = table.suite.settings
    parts = [f"# {title(table)}"]
    if table.stamp:
        parts.append(
            f"> **{table.stamp}.** Synthetic hearts: these numbers test the software. They say nothing about patients "
            "and are not to be set against published ones."
        )
    if settings.about:
        parts.append(settings.about.strip())
    if table.suite.scale == "tiny" and table.stamp:
        parts.append("Scale tiny shows that everything runs. It decides nothing: a few patients, hardly trained.")
    runs = [row for row in table.rows if row.measured is None]
    if runs and settings.columns:
        parts.append(_run_table(table, runs))
        parts.append(_how_to_read(table, runs))
    ratios = [one for row in table.rows for one in (row.measured or {}).get("ratios", [])]
    if ratios:
        parts.append("## Side by side\n\nMedians of both ways, which took turns in one run.")
        parts.append(ratio_table(ratios))
    parts += [_measured(row) for row in table.rows if row.measured is not None]
    failed = [f"- **failed: {row.label}**: {_one_line(row.problem)}" for row in table.rows if row.problem]
    if failed:
        parts.append("## Failed cells\n\n" + "\n".join(failed))
    if table.answers:
        parts.append(_questions(table))
    if table.judged:
        body = [[one.claim, one.published, one.values, one.verdict] for one in table.judged]
        head = ["the study observed", "its own numbers", "ours", "in words"]
        parts.append("## The study's observations, one by one\n\n" + grid(head, body))
    if plot:
        parts.append(f"![{settings.title}]({plot.name})")
    if settings.notes:
        parts.append("\n".join(f"- {note}" for note in settings.notes))
    parts.append(_made_by(table, runs))
    return "\n\n".join(parts) + "\n"


def field(column: Column, value: Value) -> str:
    """One field as text: ``0.870 (0.800 to 0.920), seed SD 0.010``."""
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


def _run_table(table: Table, rows: Sequence[TableRow]) -> str:
    columns = [column_named(spec) for spec in table.suite.settings.columns]
    columns = [c for c in columns if any(c.spec in row.values for row in rows)]
    head = ["", *(column.head for column in columns)]
    body = []
    for row in rows:
        fields = [field(c, row.values[c.spec]) if c.spec in row.values else "failed" for c in columns]
        body.append([row.label, *fields])
    return grid(head, body)


def _how_to_read(table: Table, rows: Sequence[TableRow]) -> str:
    lines = ["Brackets: 95 % interval over patients. Seed SD: sample SD over seeds, which is another thing."]
    seeds = sorted({seed for row in rows for seed in row.seeds})
    lines.append(f"Seeds: {', '.join(map(str, seeds))}.")
    for row in rows:
        tested = [v for spec, v in row.values.items() if spec.startswith("test.") and v.n]
        if tested:
            first = max(tested, key=lambda value: value.n or 0)
            lines.append(f"Test part: n = {first.n}, {first.events} events.")
            break
    bases = {
        column_named(spec).head: f"{value.baseline:.3f}"
        for row in rows[:1]
        for spec, value in row.values.items()
        if value.baseline is not None
    }
    if bases:
        lines.append("Without any information: " + ", ".join(f"{head} {base}" for head, base in bases.items()) + ".")
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
    head = ["question", "difference of", "metric", "difference", "95 % interval", "in words"]
    return "## Questions, on the same test patients\n\n" + grid(head, body)


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
        parts.append(grid(table["head"], [[str(cell) for cell in line] for line in table["rows"]]))
    if measured.get("notes"):
        parts.append("\n".join(f"- {line}" for line in measured["notes"]))
    return "\n\n".join(parts)


def ratio_table(ratios: Sequence[Mapping[str, Any]]) -> str:
    """The wins and losses of all measures, as a table; each has ``what, usual_way, ours, usual, asked, note``."""
    body = []
    for one in ratios:
        times, asked = one["usual"] / one["ours"], one["asked"]
        verdict = "as fast" if 0.98 < times < 1.02 else "faster" if times > 1 else "slower"
        if asked is not None:
            verdict = "reached" if times >= asked else "**not reached**"
        body.append(
            [
                one["what"],
                one["usual_way"],
                _seconds(one["usual"]),
                _seconds(one["ours"]),
                f"{times:.3g}x",
                "" if asked is None else f"{asked:g}x",
                f"{verdict}; {one['note']}" if one["note"] else verdict,
            ]
        )
    head = ["what", "the usual way", "usual", "echokit", "times faster", "asked", "in words"]
    return grid(head, body)


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def _made_by(table: Table, runs: Sequence[TableRow]) -> str:
    suite, machine = table.suite, table.machine
    lines = [f"Made by `echokit bench {suite.name} --scale {suite.scale}`"]
    if machine:
        packages = machine["packages"]
        lines.append(f"on {machine['processor']}, {machine['cores']} cores,")
        lines.append(f"Python {machine['python']}, torch {packages['torch']}")
    text = " ".join(lines) + "."
    if any(row.recipe_hashes for row in runs):
        body = [[row.label, ", ".join(h[:12] for h in row.recipe_hashes)] for row in runs if row.recipe_hashes]
        text += "\n\n## Locks\n\n" + grid(["row", "recipe hash, one a seed"], body)
    return "---\n\n" + text


def csv_text(table: Table) -> str:
    """One line a row and column: everything that the Markdown shows, as numbers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ("number", "low", "high", "seed_sd", "fold_sd", "n", "events", "baseline", "text")
    writer.writerow(["row", "column", *names, "seeds", "data"])
    for row in table.rows:
        for spec, value in row.values.items():
            numbers = ["" if getattr(value, name) is None else getattr(value, name) for name in names]
            writer.writerow([row.name, spec, *numbers, " ".join(map(str, row.seeds)), table.stamp or ""])
        for name, number in measured_numbers(row.measured):
            writer.writerow([row.name, name, number, *[""] * 8, " ".join(map(str, row.seeds)), table.stamp or ""])
    return out.getvalue()


def measured_numbers(measured: Any) -> list[tuple[str, float]]:
    """The named numbers of a measure: its ``numbers`` mapping."""
    content = measured or {}
    ratios = {f"times faster: {one['what']}": one["usual"] / one["ours"] for one in content.get("ratios", [])}
    return [(str(name), float(number)) for name, number in {**content.get("numbers", {}), **ratios}.items()]


def json_text(table: Table) -> str:
    """Everything, for a program: what ``echokit bench-diff`` reads."""
    content = {
        "suite": table.suite.name,
        "scale": table.suite.scale,
        "title": title(table),
        "data": table.stamp,
        "machine": dict(table.machine),
        "columns": table.suite.settings.columns,
        "rows": [asdict(row) for row in table.rows],
        "answers": [asdict(answer) for answer in table.answers],
        "observations": [asdict(one) for one in table.judged],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its columns in line."""
    lines = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    padded = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in lines]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])
