"""The study's Stage 2 table, made again from its published folds, with what it does not say beside it."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.errors import DataError
from echokit.evaluate.chance import best_of_random

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("accuracy", "auroc", "auprc_trapezoid")
HEADS = {"accuracy": "accuracy", "auroc": "AUROC", "auprc_trapezoid": "AUPRC (trapezoid)"}
TRIED = 100


def stage2_text(path: Path) -> str:
    """Give the published table as ``0.700 ± 0.173``, mean and sample SD (ddof = 1) over folds, and plain words.

    Args:
        path: ``stage2_folds.csv``: a row a fold and part, with ``k, split, fold``, the metrics and ``tn, fp, fn, tp``.

    Raises:
        DataError: The file is missing or lacks a column.
    """
    import pandas as pd

    needed = ("k", "split", "fold", *COLUMNS, "tn", "fp", "fn", "tp")
    if not path.is_file():
        raise DataError("no such file", hint="it comes with echokit in benchmarks/reference", where=str(path))
    table = pd.read_csv(path)
    lacking = [column for column in needed if column not in table.columns]
    if lacking:
        raise DataError(f"the columns {', '.join(lacking)} are missing", where=str(path))
    ks = sorted(table["k"].unique().tolist(), reverse=True)
    head = ["folds", *(f"{split} {HEADS[column]}" for column in COLUMNS for split in ("test", "train"))]
    rows = [
        [str(k), *(_mean_sd(_part(table, k, split)[column]) for column in COLUMNS for split in ("test", "train"))]
        for k in ks
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)]
    return "\n".join([*lines, "mean ± sample SD (ddof = 1) over folds", "", *(f"- {w}" for w in stage2_words(table))])


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
