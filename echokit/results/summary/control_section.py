"""Negative controls and the configurations selected by the folds, as sections of ``summary.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from echokit.evaluation.evaluation import Metric
from echokit.plugins.hookspecs import Section
from echokit.results.summary.summary import markdown_table
from echokit.results.wording import count, interval, number


def control_section(
    run: Metric | None,
    controls: Sequence[tuple[str, str, Metric]],
    *,
    permuted: tuple[float, np.ndarray, float, int] | None,
) -> Section:
    """Compare the run with its negative controls.

    Args:
        run: The AUROC within folds of the run.
        controls: Name, available information and AUROC within folds of each.
        permuted: Result of a permutation test: observed value, (m,) null values, p, repeats.
    """
    rows = [("this run", *_cells(run), "")] if run else []
    rows += [(name, *_cells(metric), description) for name, description, metric in controls]
    parts = []
    if controls:
        head = ("model", "AUROC within folds", "interval", "n", "positive", "information")
        parts.append(markdown_table(head, rows))
        reached = [
            name
            for name, _, metric in controls
            if run and run.value is not None and metric.value is not None and metric.value >= run.value
        ]
        if reached:
            parts.append(
                f"**Without the information that this run learned from videos, {', '.join(reached)} has an AUROC as "
                "high or higher.**"
            )
    if permuted:
        parts.append(_permuted(*permuted, run))
    return Section("Negative controls", "\n\n".join(parts), first=True)


def _cells(metric: Metric) -> tuple[str, str, str, str]:
    return number(metric.value), interval(metric) or "none", f"{metric.n:,}", f"{metric.events:,}"


def _permuted(observed: float, null: np.ndarray, p: float, repeats: int, run: Metric | None) -> str:
    low, middle, high = np.quantile(null, [0.025, 0.5, 0.975])
    reached = int((null >= observed - 1e-12).sum())
    text = (
        "Permutation test of the whole procedure (splits, selection of the configuration, training, test), with labels "
        f"permuted over patients. AUROC within folds of {count(repeats, 'repeat')}, with all heads trained at once: "
        f"{number(observed)} with the real labels; median {number(middle)} with permuted labels (95 % of permutations "
        f"between {number(low)} and {number(high)}). {reached:,} of {len(null):,} permutations reach the real value: "
        f"p = ({reached:,} + 1) / ({len(null):,} + 1) = {p:.3g}."
    )
    if run is not None and run.value is not None and abs(run.value - observed) >= 0.0005:
        text += (
            f" The run itself has {number(run.value)}, with other splits, initial weights and batches: the test "
            "repeats the whole procedure, in the same way for real and permuted labels. The difference shows how much "
            "these random choices matter."
        )
    return text if p <= 0.05 else f"{text} The data do not show that the procedure finds any association."


def choice_section(chosen: Sequence[str], tried: Sequence[str], inner: int) -> Section:
    """Count how many folds selected each configuration.

    Args:
        chosen: The configuration that each fold selected.
        tried: All configurations.
        inner: Number of inner folds.
    """
    counts = Counter(chosen)
    rows = [(name, f"{counts[name]}") for name in tried]
    text = (
        f"Each of {count(len(chosen), 'fold')} compared {count(len(tried), 'configuration')} in {inner} inner folds of "
        "its training set, by the AUROC within folds, and trained the best one (the first of equals) on the whole "
        "training set. The test sets were not used."
    )
    return Section("Selected configurations", f"{text}\n\n" + markdown_table(("configuration", "folds"), rows))
