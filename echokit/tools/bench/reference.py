"""The published tables of the reference study (see docs/study.md), with notes on what they support."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError
from echokit.evaluation.published.audit_table import audit_table
from echokit.evaluation.statistics.delong import score_type
from echokit.evaluation.statistics.null_distributions import best_of_random
from echokit.evaluation.statistics.wilson import wilson
from echokit.tools.bench.suite import reference_folder

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("accuracy", "auroc", "auprc_trapezoid")
COLUMN_HEADS = {"accuracy": "accuracy", "auroc": "AUROC", "auprc_trapezoid": "AUPRC (trapezoid)"}
N_CONFIGURATIONS = 100
# Test set of EchoNet-Dynamic: its videos, and those with EF < 50 %.
N_TEST, N_TEST_POSITIVE = 1277, 285


def stage1(*, seed: int) -> dict[str, Any]:
    """Return the published Stage 1 table with intervals from the size of its test set.

    Args:
        seed: Seed of the cell; nothing is random here.
    """
    import pandas as pd

    table = pd.read_csv(_require_file(reference_folder() / "stage1_published.csv"))
    negatives = N_TEST - N_TEST_POSITIVE
    majority = negatives / N_TEST
    rows = []
    for row in table.to_dict("records"):
        name = f"ResNet{row['backbone'].removeprefix('resnet')}, {row['input_size']} x {row['input_size']}"
        accuracy = wilson(row["test_accuracy"] * N_TEST, N_TEST)
        low, high = score_type(row["auroc"], N_TEST_POSITIVE, negatives)
        rows.append(
            [
                name + (" (w)" if row["class_weighted"] else ""),
                f"{row['train_accuracy']:.2f}",
                f"{row['val_accuracy']:.2f}",
                f"{row['test_accuracy']:.2f} ({accuracy.low:.3f} to {accuracy.high:.3f})",
                f"{row['test_accuracy'] - majority:+.3f}",
                f"{row['auroc']:.2f} ({low:.3f} to {high:.3f})",
                f"{row['auprc']:.2f}",
            ]
        )
    best = float(table["auroc"].max())
    return {
        "title": "Stage 1 as published, with the uncertainty of 1,277 test videos",
        "tables": [
            {
                "head": [
                    "",
                    "train accuracy",
                    "val accuracy",
                    "test accuracy",
                    "minus majority class",
                    "test AUROC",
                    "AUPRC as published",
                ],
                "rows": rows,
            }
        ],
        "notes": [
            f"Parentheses: 95 % interval for the published value with {N_TEST:,} test videos, {N_TEST_POSITIVE} of "
            "them reduced (accuracy: Wilson; AUROC: score-type, Newcombe 2006, method 5). No intervals were published.",
            f"Always predicting 'normal' is correct for {majority:.3f} of the videos.",
            f"The best AUROC is {best:.2f}. Rows with overlapping intervals may differ by chance; only a paired test "
            "on the same videos could show a difference, and the predictions of the reference study are not published.",
            "Each row is a single training, so the variation between seeds is unknown.",
            "The AUPRC of the ResNet18 rows is the macro average over both classes: at 112 x 112, 0.88 is the mean of "
            "0.96 (normal) and 0.79 (reduced). The ResNet152 rows use another convention. The two cannot be compared, "
            "and neither is the average precision of the reduced class.",
        ],
    }


def stage2(*, seed: int) -> dict[str, Any]:
    """Return the published Stage 2 table, computed from its folds, with notes.

    Args:
        seed: Seed of the cell; nothing is random here.

    Raises:
        DataError: The file of the folds does not exist, or lacks a column.
    """
    path = _require_file(reference_folder() / "stage2_folds.csv")
    table = _read_folds(path)
    ks = sorted(table["k"].unique().tolist(), reverse=True)
    head = ["folds", *(f"{split} {COLUMN_HEADS[column]}" for column in COLUMNS for split in ("test", "train"))]
    rows = [
        [str(k), *(_mean_sd(_rows_of(table, k, split)[column]) for column in COLUMNS for split in ("test", "train"))]
        for k in ks
    ]
    audited = audit_table(_require_file(reference_folder() / "stage2_published.csv"), patients=34, events=7)
    return {
        "title": "Stage 2 as published, recomputed from its folds",
        "about": "34 LVAD patients, 7 of whom died within a year. Mean ± sample SD (ddof = 1) over folds.",
        "tables": [{"head": head, "rows": rows}],
        "notes": [
            *_stage2_notes(table),
            *(f"Are these numbers possible? {row.words}." for row in audited),
            "The AUPRC is the trapezoidal area under the curve, which is not the average precision.",
            "The folds share training patients, so SD / sqrt(k) is not a standard error.",
        ],
    }


def _read_folds(path: Path) -> pd.DataFrame:
    """Read ``stage2_folds.csv``: one row per fold and split.

    ``k, split, fold``, metrics and ``tn, fp, fn, tp``.

    Raises:
        DataError: A column is missing.
    """
    import pandas as pd

    table = pd.read_csv(path)
    missing = [c for c in ("k", "split", "fold", *COLUMNS, "tn", "fp", "fn", "tp") if c not in table.columns]
    if missing:
        raise DataError(f"missing columns: {', '.join(missing)}", where=str(path), code="table.missing_column")
    return table


def _stage2_notes(table: pd.DataFrame) -> list[str]:
    """Compare each number of folds with the majority class and with chance."""
    counts = _rows_of(table, int(table["k"].iloc[0]), "test")[["tn", "fp", "fn", "tp"]].sum()
    n, deaths = int(counts.sum()), int(counts["fn"] + counts["tp"])
    survival = (n - deaths) / n
    notes = [f"{n} patients, {deaths} died: predicting 'survives' for all is correct for {survival:.3f} of them."]
    for k in sorted(table["k"].unique().tolist()):
        test = _rows_of(table, k, "test")
        accuracy, detected = float(test["accuracy"].mean()), int(test["tp"].sum())
        n_positive = int(test[["tp", "fp"]].to_numpy().sum())  # classified as positive
        if n_positive == 0:
            relation = "exactly that, as no patient is classified as dying"
        else:
            relation = "below that" if accuracy < survival else "above that"
        notes.append(f"{k} folds: accuracy {accuracy:.3f} is {relation}; {detected} of {deaths} deaths are detected.")
    best = max(table["k"].unique().tolist(), key=lambda k: float(_rows_of(table, k, "test")["auroc"].mean()))
    test = _rows_of(table, best, "test")
    fold_aurocs = ", ".join(f"{value:g}" for value in test["auroc"])
    notes.append(
        f"The row with the best AUROC ({best} folds, {test['auroc'].mean():.3f}) detects {int(test['tp'].sum())} of "
        f"{deaths} deaths; the AUROCs of its folds are {fold_aurocs}."
    )
    cells = test[["tn", "fp", "fn", "tp"]].to_numpy(int)
    sizes = [(int(fn + tp), int(tn + fp + fn + tp)) for tn, fp, fn, tp in cells]
    chance = best_of_random(sizes, N_CONFIGURATIONS)
    notes.append(
        f"It was chosen among at least {N_CONFIGURATIONS} configurations on the same test folds. The best of "
        f"{N_CONFIGURATIONS} random classifiers has a median fold-mean AUROC of {chance:.2f} (computed exactly)."
    )
    return notes


def _rows_of(table: pd.DataFrame, k: int, split: str) -> pd.DataFrame:
    return table[(table["k"] == k) & (table["split"] == split)]


def _mean_sd(values: pd.Series) -> str:
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _require_file(path: Path) -> Path:
    if not path.is_file():
        raise DataError(
            "no such file",
            hint="it is shipped with echokit, in benchmarks/reference",
            where=str(path),
            code="file.missing",
        )
    return path
