"""The study's published tables, made again, with what they do and do not support beside them."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.bench.suite import reference_folder
from echokit.errors import DataError
from echokit.evaluate.audit_table import audit_table
from echokit.evaluate.chance import best_of_random
from echokit.evaluate.delong import score_type
from echokit.evaluate.proportion import wilson

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("accuracy", "auroc", "auprc_trapezoid")
HEADS = {"accuracy": "accuracy", "auroc": "AUROC", "auprc_trapezoid": "AUPRC (trapezoid)"}
TRIED = 100
# The test part of EchoNet-Dynamic, and its videos with EF < 50.
TEST_CASES, TEST_EVENTS = 1277, 285


def stage1(*, seed: int) -> dict[str, Any]:
    """The measure ``stage1_published``: the published Stage 1 table with what its size of test part supports.

    Args:
        seed: Of the cell; nothing here is random.
    """
    import pandas as pd

    table = pd.read_csv(_there(reference_folder() / "stage1_published.csv"))
    negatives = TEST_CASES - TEST_EVENTS
    majority = negatives / TEST_CASES
    rows = []
    for row in table.to_dict("records"):
        name = f"ResNet{row['backbone'].removeprefix('resnet')}, {row['input_size']} x {row['input_size']}"
        called = wilson(row["test_accuracy"] * TEST_CASES, TEST_CASES)
        low, high = score_type(row["auroc"], TEST_EVENTS, negatives)
        rows.append(
            [
                name + (" (w)" if row["class_weighted"] else ""),
                f"{row['train_accuracy']:.2f}",
                f"{row['val_accuracy']:.2f}",
                f"{row['test_accuracy']:.2f} ({called.low:.3f} to {called.high:.3f})",
                f"{row['test_accuracy'] - majority:+.3f}",
                f"{row['auroc']:.2f} ({low:.3f} to {high:.3f})",
                f"{row['auprc']:.2f}",
            ]
        )
    best = float(table["auroc"].max())
    return {
        "title": "Stage 1 as published, and what 1,277 test videos support",
        "tables": [
            {
                "head": [
                    "",
                    "train accuracy",
                    "val accuracy",
                    "test accuracy",
                    "above the majority",
                    "test AUROC",
                    "AUPRC as published",
                ],
                "rows": rows,
            }
        ],
        "notes": [
            f"Brackets: 95 % interval that {TEST_CASES:,} test videos, {TEST_EVENTS} of them reduced, would give at "
            "the published value (accuracy: Wilson; AUROC: score-type, Newcombe 2006, method 5). None was published.",
            f"Always answering 'normal' is right for {majority:.3f} of the videos.",
            f"The best AUROC is {best:.2f}; rows whose intervals overlap may differ by chance, and only a test "
            "on the same videos could tell. The study's predictions are not published, so there is none here.",
            "One training each: how much another seed would move a row is not known.",
            "The AUPRC of the ResNet18 rows is the macro average over both classes: at 112 x 112 0.88 is the mean of "
            "0.96 (normal) and 0.79 (reduced). That of the ResNet152 rows follows another convention. They can not be "
            "compared, and neither is the average precision of the reduced class.",
        ],
    }


def stage2(*, seed: int) -> dict[str, Any]:
    """The measure ``stage2_published``: the published Stage 2 table made from its folds, with plain words.

    Args:
        seed: Of the cell; nothing here is random.

    Raises:
        DataError: The folds are not there, or lack a column.
    """
    path = _there(reference_folder() / "stage2_folds.csv")
    table = read_folds(path)
    ks = sorted(table["k"].unique().tolist(), reverse=True)
    head = ["folds", *(f"{split} {HEADS[column]}" for column in COLUMNS for split in ("test", "train"))]
    rows = [
        [str(k), *(_mean_sd(_part(table, k, split)[column]) for column in COLUMNS for split in ("test", "train"))]
        for k in ks
    ]
    audited = audit_table(_there(reference_folder() / "stage2_published.csv"), patients=34, events=7)
    return {
        "title": "Stage 2 as published, made again from its folds",
        "about": "34 LVAD patients, 7 of whom died within a year. Mean ± sample SD (ddof = 1) over folds.",
        "tables": [{"head": head, "rows": rows}],
        "notes": [
            *stage2_words(table),
            *(f"Can these numbers arise? {row.words}." for row in audited),
            "The AUPRC is the area under the curve by trapezoids, which is not the average precision.",
            "The folds share training patients, so that SD / sqrt(k) is no standard error of anything.",
        ],
    }


def read_folds(path: Path) -> pd.DataFrame:
    """Read ``stage2_folds.csv``: a row a fold and part, with ``k, split, fold``, the metrics and ``tn, fp, fn, tp``.

    Raises:
        DataError: A column is missing.
    """
    import pandas as pd

    table = pd.read_csv(path)
    lacking = [c for c in ("k", "split", "fold", *COLUMNS, "tn", "fp", "fn", "tp") if c not in table.columns]
    if lacking:
        raise DataError(f"the columns {', '.join(lacking)} are missing", where=str(path))
    return table


def stage2_words(table: pd.DataFrame) -> list[str]:
    """Say what the table's numbers are worth."""
    first = _part(table, int(table["k"].iloc[0]), "test")
    n, events = int(first[["tn", "fp", "fn", "tp"]].to_numpy().sum()), int(first[["fn", "tp"]].to_numpy().sum())
    survive = (n - events) / n
    words = [f"{n} patients, {events} died: saying 'everyone survives' is right for {survive:.3f} of them."]
    for k in sorted(table["k"].unique().tolist()):
        part = _part(table, k, "test")
        accuracy, found = float(part["accuracy"].mean()), int(part["tp"].sum())
        called = int(part[["tp", "fp"]].to_numpy().sum())
        versus = "is exactly that" if called == 0 else "is below that" if accuracy < survive else "is above that"
        words.append(
            f"{k} folds: accuracy {accuracy:.3f} {versus}"
            + (": nobody was called" if called == 0 else "")
            + f"; {found} of {events} deaths are found."
        )
    best = max(table["k"].unique().tolist(), key=lambda k: float(_part(table, k, "test")["auroc"].mean()))
    part = _part(table, best, "test")
    shown = ", ".join(f"{value:g}" for value in part["auroc"])
    words.append(
        f"The row with the best AUROC ({best} folds, {part['auroc'].mean():.3f}) finds {int(part['tp'].sum())} of "
        f"{events} deaths; its folds score {shown}."
    )
    cells = part[["tn", "fp", "fn", "tp"]].to_numpy(int)
    sizes = [(int(fn + tp), int(tn + fp + fn + tp)) for tn, fp, fn, tp in cells]
    words.append(
        f"It was chosen among at least {TRIED} configurations on the same test folds. The best of {TRIED} coin flips "
        f"on these folds has a median fold-mean AUROC of {best_of_random(sizes, TRIED):.2f} (computed exactly)."
    )
    return words


def _part(table: pd.DataFrame, k: int, split: str) -> pd.DataFrame:
    return table[(table["k"] == k) & (table["split"] == split)]


def _mean_sd(values: pd.Series) -> str:
    return f"{statistics.fmean(values):.3f} ± {statistics.stdev(values):.3f}"


def _there(path: Path) -> Path:
    if not path.is_file():
        raise DataError("no such file", hint="it comes with echokit in benchmarks/reference", where=str(path))
    return path
