"""What a run has to beat and what its folds chose, as sections of ``summary.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from echokit.evaluate.evaluation import Metric
from echokit.hooks import Section
from echokit.report.summary import markdown_table
from echokit.report.wording import count, interval, number


def control_section(
    run: Metric | None,
    controls: Sequence[tuple[str, str, Metric]],
    *,
    permuted: tuple[float, np.ndarray, float, int] | None,
) -> Section:
    """The controls beside the run.

    Args:
        run: Its AUROC within folds.
        controls: Name, what it knows, and AUROC within folds of each.
        permuted: Of a permutation test: observed value, (m,) null values, p, repeats.
    """
    rows = [("this run", *_cells(run), "")] if run else []
    rows += [(name, *_cells(metric), what) for name, what, metric in controls]
    parts = []
    if controls:
        head = ("what", "AUROC within folds", "interval", "n", "events", "knows")
        parts.append(markdown_table(head, rows))
        reached = [
            name
            for name, _, metric in controls
            if run and run.value is not None and metric.value is not None and metric.value >= run.value
        ]
        if reached:
            parts.append(
                f"**Without what this run learned from videos, {', '.join(reached)} scores as high or higher.**"
            )
    if permuted:
        parts.append(_permuted(*permuted, run))
    return Section("What the result has to beat", "\n\n".join(parts), first=True)


def _cells(metric: Metric) -> tuple[str, str, str, str]:
    return number(metric.value), interval(metric) or "none", f"{metric.n:,}", f"{metric.events:,}"


def _permuted(observed: float, null: np.ndarray, p: float, repeats: int, run: Metric | None) -> str:
    low, middle, high = np.quantile(null, [0.025, 0.5, 0.975])
    reached = int((null >= observed - 1e-12).sum())
    text = (
        "Permutation test of the whole procedure (division, choice of the configuration, training, test), with labels "
        f"shuffled over patients. AUROC within the folds of {count(repeats, 'division')}, as computed by training all "
        f"heads at once: {number(observed)} with the real labels; without, {number(middle)} ({number(low)} to "
        f"{number(high)}, 95 % of shuffles). {reached:,} of {len(null):,} shuffles reach it: "
        f"p = ({reached:,} + 1) / ({len(null):,} + 1) = {p:.3g}."
    )
    if run is not None and run.value is not None and abs(run.value - observed) >= 0.0005:
        text += (
            f" The run's own {number(run.value)} is of its own divisions, first weights and batches: the test does all "
            "of it again, alike for real and shuffled labels. How far the two are apart is what those alone make of it."
        )
    return text if p <= 0.05 else f"{text} The data do not show that the procedure finds anything."


def choice_section(chosen: Sequence[str], tried: Sequence[str], inner: int) -> Section:
    """Which configurations the folds chose.

    Args:
        chosen: By each fold, in words.
        tried: All of them, in words.
        inner: Inner folds.
    """
    counts = Counter(chosen)
    rows = [(words, f"{counts[words]}") for words in tried]
    text = (
        f"Each of {count(len(chosen), 'fold')} compared {count(len(tried), 'configuration')} in {inner} inner folds of "
        "its training part, by the AUROC within them, and trained the best one (the first of equals) on all of it. The "
        "test parts had no say."
    )
    return Section("Which configuration was chosen", f"{text}\n\n" + markdown_table(("configuration", "folds"), rows))
