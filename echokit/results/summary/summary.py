"""summary.md: the result of a run on one screen, with its limits, methods and settings."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from echokit.evaluation.evaluation import Evaluation, Metric
from echokit.evaluation.predictions import Predictions
from echokit.plugins.hookspecs import Section
from echokit.results.headline import headline, whole_rows
from echokit.results.summary.cautions import cautions
from echokit.results.summary.cutoff_table import cutoff_rows, is_cutoff
from echokit.results.summary.enough_patients import enough_patients
from echokit.results.summary.fold_table import ABOUT_FOLDS, MOST_COLUMNS, fold_rows
from echokit.results.wording import count, estimate, interval, number, p_value, select, set_name, title
from echokit.system.files import write_text

ANSWERS = ("auroc", "auprc", "accuracy")
_TAG = re.compile("<(?=[A-Za-z/!?])")
OTHER_CUTOFFS = (
    "Nothing was trained or selected again: only the true EF was divided at another cut-off. Patients are ranked by "
    "the estimated EF if the run estimates it, otherwise by the score that it learned for its own cut-off. "
    "`metrics.json` has each definition."
)
CITATIONS = (
    "Average precision instead of the trapezoid area: Davis and Goadrich, The relationship between "
    "precision-recall and ROC curves, ICML 2006.",
    "Interval of the AUROC: DeLong, DeLong and Clarke-Pearson, Biometrics 1988, on the logit scale; of a proportion: "
    "Wilson, JASA 1927.",
    "Better than a constant answer on the same patients: McNemar, Psychometrika 1947, exact.",
    "Percentile bootstrap: Efron and Tibshirani, An introduction to the bootstrap, 1993, chapter 13.",
    "At least 100 patients of each class: Collins, Ogundimu and Altman, Sample size considerations for the external "
    "validation of a multivariable prognostic model, Statistics in Medicine 2016. Patients for an interval of the "
    "AUROC: Riley et al., Minimum sample size for external validation of a clinical prediction model with a binary "
    "outcome, Statistics in Medicine 2021.",
)


@dataclass(frozen=True, slots=True)
class SelectedEpochRow:
    """The selected epoch of one fold.

    Attributes:
        fold: Number of the fold.
        epoch: Number of the epoch, from 1.
        epochs: Epochs trained.
        rule: Name of the selection rule.
        note: Why, if the rule alone does not explain it, or None.
    """

    fold: int
    epoch: int
    epochs: int
    rule: str
    note: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunSummary:
    """The content of ``summary.md``.

    Attributes:
        name: Name of the run.
        evaluation: Result of ``evaluate_folds``.
        predictions: What was evaluated, one row a case and fold, before averaging per patient.
        division: How the data were split (``official splits of EchoNet-Dynamic``).
        selected_epochs: One row a fold.
        facts: Facts from the lock, shown as a table: data, recipe hash, seed, device and the like.
        notes: Warnings and counts: files that could not be read, masks that changed nothing.
        plots: Images to show, linked relative to the summary if they are below it.
        sections: Sections of plugins and controls.
        split: The split that the answer is about.
        rerun: The command that repeats the run; by default ``echokit run <directory of the summary>/lock.yaml``.
        tried: Number of configurations tried on the same data in the same folder, including this one.
        citations: Sources of the definitions and of the data.
        stamp: PHANTOM DATA, or None.
        pretrained: Warning about starting weights that were trained on phantoms, or None.
    """

    name: str
    evaluation: Evaluation
    predictions: Predictions
    division: str
    selected_epochs: Sequence[SelectedEpochRow]
    facts: Mapping[str, str | int | float]
    notes: Sequence[str] = ()
    plots: Sequence[Path] = ()
    sections: Sequence[Section] = ()
    split: str = "test"
    rerun: str | None = None
    tried: int = 1
    citations: Sequence[str] = CITATIONS
    stamp: str | None = None
    pretrained: str | None = None


def write_summary(path: Path, summary: RunSummary) -> None:
    """Write the summary of a run as Markdown.

    Args:
        path: The file, inside the run directory; overwritten.
        summary: Its content.
    """
    metrics, split = summary.evaluation.metrics, summary.split
    mark = f"{summary.stamp}: " if summary.stamp else ""
    parts = [f"# {mark}{summary.name}"]
    if summary.stamp:
        parts.append(f"> **{summary.stamp}.** Synthetic data: these numbers do not describe patients.")
    if summary.pretrained:
        parts.append(f"> **{summary.pretrained}.**")
    parts.append(f"**{answer(summary.evaluation, split, summary.predictions.positive)}**")
    if enough := enough_patients(metrics, split):
        parts.append(f"Are there enough patients? {enough.text}")
    if warnings := cautions(metrics, split, tried=summary.tried):
        parts.append("## What these numbers do not support\n\n" + _bullets(warnings))
    parts += _metric_parts([metric for metric in metrics if not is_cutoff(metric)], summary.sections)
    head, rows = cutoff_rows(metrics, split)
    if rows:
        table = markdown_table(head, rows)
        parts.append(f"## The same {split} patients at other cut-offs\n\n{OTHER_CUTOFFS}\n\n{table}")
    if summary.plots:
        parts.append("## Plots\n\n" + "\n\n".join(_image(plot, path.parent) for plot in summary.plots))
    parts.append(f"## How the data were split\n\n{summary.division}\n\n" + _division_table(summary.predictions))
    parts.append("## Selected epochs\n\n" + _selected_epochs(summary.selected_epochs))
    parts.append("## Notes and warnings\n\n" + (_bullets(summary.notes) if summary.notes else "None."))
    parts += [_section(section) for section in summary.sections if not section.first]
    if summary.facts:
        rows = [(key, str(value)) for key, value in summary.facts.items()]
        parts.append("## This run\n\n" + markdown_table(("what", "value"), rows))
    parts = [_as_text(part) for part in parts]
    command = summary.rerun or f"echokit run {shlex.quote((path.parent / 'lock.yaml').as_posix())}"
    parts.append(f"## How to rerun\n\n```\n{command}\n```")
    if summary.citations:
        parts.append("## Sources\n\n" + _bullets(summary.citations))
    write_text(path, "\n\n".join(parts) + "\n")


def _metric_parts(metrics: Sequence[Metric], sections: Sequence[Section]) -> list[str]:
    """Format the tables of metrics, the first sections and the definitions."""
    parts = []
    over_folds = [metric for metric in metrics if metric.fold is None]
    if over_folds:
        whole = [metric for metric in over_folds if not metric.metric.endswith(ABOUT_FOLDS)]
        if whole:
            parts.append("## Over all folds\n\n" + _metric_table(whole))
        parts.append("## Fold by fold\n\n" + markdown_table(*fold_rows(metrics)))
    else:
        parts.append("## Metrics\n\n" + _metric_table(metrics))
    return [*parts, *(_section(section) for section in sections if section.first), _definitions(metrics)]


def answer(evaluation: Evaluation, split: str, positive: str) -> str:
    """Format the first metric of the headline that was evaluated on the split."""
    rows = whole_rows(evaluation.metrics, split)
    over_folds = headline(evaluation.metrics, split)[:1] if any(row.fold is None for row in rows) else []
    found = (select(evaluation.metrics, name, split) for name in ANSWERS)
    metrics = over_folds or next(filter(None, found), [])
    if not metrics:
        return f"Nothing was evaluated on the {set_name(split)}."
    name = metrics[0].metric
    name_of_split = split.capitalize()
    n, positives = sum(metric.n for metric in metrics), sum(metric.events for metric in metrics)
    patients = f"{count(n, 'patient')}, {positives:,} positive ({positive})"
    if len(metrics) > 1:
        values = [metric.value for metric in metrics if metric.value is not None]
        label = f"{name_of_split} {title(name)} of {count(len(metrics), 'fold')}"
        if not values:
            return f"{label}: undefined in every fold; {patients}."
        undefined = len(metrics) - len(values)
        apart = f", undefined in {undefined}" if undefined else ""
        return f"{label}: {number(min(values), 2)} to {number(max(values), 2)}{apart}; {patients}."
    metric = metrics[0]
    if metric.value is None:
        return f"{name_of_split} {title(name)}: {metric.interval or 'undefined'}; {patients}."
    text = estimate(metric, 2)
    if name == "auroc_within_fold":
        text = text.replace("(", "(approximate ")  # the interval of the procedure, by simulation
    return f"{name_of_split} {text}, {patients}."


def _metric_table(metrics: Sequence[Metric]) -> str:
    if not metrics:
        return "No metric was computed."
    folds = len({(metric.repeat, metric.fold) for metric in metrics}) > 1  # rows over all folds have no fold
    fold_columns = ("repeat", "fold") if folds else ()
    head = ("split", *fold_columns, "metric", "value", "interval", "n", "positive", "baseline")
    rows = []
    for metric in metrics:
        name = title(metric.metric) + (f" [{metric.subgroup}]" if metric.subgroup else "")
        value = number(metric.value) + (f" {metric.unit}" if metric.unit and metric.value is not None else "")
        # The reason for a missing interval is long and mostly the same: it is below the table.
        ends = interval(metric) or "none"
        baseline = "none" if metric.baseline is None else number(metric.baseline)
        which = (str(metric.repeat), str(metric.fold)) if folds else ()
        patients = (f"{metric.n:,}", f"{metric.events:,}")
        rows.append((metric.split, *which, name, value, ends, *patients, baseline))
    return markdown_table(head, rows)


def _definitions(metrics: Sequence[Metric]) -> str:
    lines = [f"**{title(m.metric)}**: {m.definition}." for m in metrics]
    methods: dict[str, dict[str, dict[str, None]]] = {}  # dicts as ordered sets
    for metric in metrics:
        if metric.interval:
            methods.setdefault(metric.interval, {}).setdefault(title(metric.metric), {})[metric.split] = None
    for method, names in methods.items():
        metrics_and_splits = "; ".join(f"{name} on {', '.join(splits)}" for name, splits in names.items())
        lines.append(f"**Interval** of {metrics_and_splits}: {method}.")
    tests: dict[str, list[str]] = {}
    for metric in metrics:
        if text := p_value(metric):
            tests.setdefault(f"on {metric.split}: {text}", []).append(title(metric.metric))
    lines += [f"**Against the baseline**, {', '.join(names)} {text}." for text, names in tests.items()]
    lines.append("**Baseline**: the value of a model without any information.")
    lines.append("**n** and **positive**: patients, and those of the positive class; scores are averaged per patient.")
    return _bullets(list(dict.fromkeys(lines)))


def _division_table(predictions: Predictions) -> str:
    table = predictions.table
    folds = table[["repeat", "fold"]].drop_duplicates()
    if len(folds) > MOST_COLUMNS:
        counts = table.drop_duplicates(["repeat", "fold", "split", "patient_id"]).groupby(["split", "fold"], sort=False)
        ranges = counts["y_true"].agg(["size", "sum"]).groupby(level="split", sort=False).agg(["min", "max"])
        head = ("split", "folds", "patients", f"{predictions.positive} patients")
        return markdown_table(
            head,
            [
                (
                    str(split),
                    f"{len(folds):,}",
                    _range(row[("size", "min")], row[("size", "max")]),
                    _range(row[("sum", "min")], row[("sum", "max")]),
                )
                for split, row in ranges.iterrows()
            ],
        )
    rows = []
    several = len(folds) > 1
    for (repeat, fold, split), part in table.groupby(["repeat", "fold", "split"], sort=False):
        patients = part["patient_id"].nunique()
        which = (str(repeat), str(fold)) if several else ()
        positives = part.loc[part["y_true"] == 1, "patient_id"].nunique()
        rows.append((str(split), *which, f"{len(part):,}", f"{patients:,}", f"{positives:,}"))
    which = ("repeat", "fold") if several else ()
    head = ("split", *which, "videos", "patients", f"{predictions.positive} patients")
    return markdown_table(head, rows)


def _range(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _section(section: Section) -> str:
    return f"## {section.title}\n\n{section.text.strip()}"


def _selected_epochs(rows: Sequence[SelectedEpochRow]) -> str:
    if not rows:
        return "Nothing was trained."
    same = {(row.epoch, row.epochs, row.rule, row.note) for row in rows}
    if len(rows) > 1 and len(same) == 1:
        first = rows[0]
        note = f": {first.note}" if first.note else ""
        return f"In each of {len(rows)} folds epoch {first.epoch} of {first.epochs}, by the rule `{first.rule}`{note}."
    lines = []
    for row in rows:
        fold = f"Fold {row.fold}: epoch" if len(rows) > 1 else "Epoch"
        line = f"{fold} {row.epoch} of {row.epochs}, by the rule `{row.rule}`"
        lines.append(f"{line}: {row.note}" if row.note else line)
    return _bullets(lines)


def _image(plot: Path, directory: Path) -> str:
    target = plot.relative_to(directory) if plot.is_relative_to(directory) else plot
    return f"![{plot.stem.replace('_', ' ')}]({target.as_posix()})"


def _as_text(markdown: str) -> str:
    """Turn raw HTML into text: a name or a note of a recipe is shown as it is.

    Only what begins a tag, a comment or a link in Markdown is changed, so that ``EF < 50`` stays readable.
    """
    return _TAG.sub("&lt;", markdown)


def _bullets(lines: Sequence[str]) -> str:
    return "\n".join("- " + line.replace("\n", "\n  ") for line in lines)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table, padded so that it is readable as plain text."""
    lines = [[_cell(cell) for cell in row] for row in (head, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    padded = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([padded[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *padded[1:]])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
