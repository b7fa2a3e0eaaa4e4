"""The files of an evaluation: predictions.csv in, metrics.json and curves.json out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.cohort.text_table import read_text_table
from echokit.errors import DataError, did_you_mean
from echokit.evaluate.evaluation import Evaluation
from echokit.evaluate.predictions import COLUMNS, NO_PROBABILITY, Predictions

if TYPE_CHECKING:
    import pandas as pd

FIELDS = (
    "metric",
    "definition",
    "split",
    "repeat",
    "fold",
    "subgroup",
    "threshold",
    "value",
    "low",
    "high",
    "level",
    "interval",
    "n",
    "events",
    "baseline",
    "unit",
)


def write_metrics(evaluation: Evaluation, path: Path, *, stamp: str | None = None) -> None:
    """Write metrics.json: a list of objects with the fields of ``FIELDS``, null where there is no number.

    Args:
        evaluation: What to write.
        path: The file, overwritten.
        stamp: Words such as PHANTOM DATA, added to every entry as ``data``.
    """
    path.write_text(metrics_json(evaluation, stamp=stamp) + "\n", encoding="utf-8", newline="\n")


def metrics_json(evaluation: Evaluation, *, stamp: str | None = None) -> str:
    """Give the text of metrics.json; see ``write_metrics``."""
    entries = []
    for metric in evaluation.metrics:
        values = asdict(metric)
        entry = {field: values[field] for field in FIELDS}
        entries.append({**entry, "data": stamp} if stamp else entry)
    return _strict(entries, indent=2)


def write_curves(evaluation: Evaluation, path: Path, *, stamp: str | None = None) -> None:
    """Write curves.json: ``stamp``, then each curve by name and split, one line a fold.

    Args:
        evaluation: What to write.
        path: The file, overwritten.
        stamp: Words such as PHANTOM DATA, or None.
    """
    lines = [f'  "stamp": {_strict(stamp)}']
    for name, splits in evaluation.curves.items():
        parts = []
        for split, folds in splits.items():
            body = ",\n".join(f"      {_strict(fold)}" for fold in folds)
            parts.append(f"    {_strict(split)}: [\n{body}\n    ]")
        lines.append(f"  {_strict(name)}: {{\n" + ",\n".join(parts) + "\n  }")
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def read_predictions(
    path: Path | str,
    *,
    positive: str = "positive",
    threshold: float | None = None,
    probability: bool | None = None,
) -> Predictions:
    """Read predictions.csv.

    Args:
        path: CSV with the columns of ``COLUMNS``, and ``target, prediction`` for an EF objective; others are
            kept.
        positive: Name of the positive class.
        threshold: Score at and above which a case is called positive; None for what the column ``threshold`` says,
            and 0.5 without one.
        probability: Whether the scores are probabilities; None for what the column ``score_is`` says, and True
            without one.

    Raises:
        DataError: The file is missing, empty or no CSV; a column is missing; a number is none; a case is
            given twice in one split and fold; the rows have several thresholds. The message names the cases.
    """
    import numpy as np

    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", hint="expected a CSV of predictions", where=str(path))
    table = read_text_table(path)  # as text first: a patient named NA, or 007, stays what it is
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        near = [hint for column in missing if (hint := did_you_mean(column, table.columns))]
        expected = f"expected the columns {', '.join(COLUMNS)}"
        raise DataError(
            f"the columns {', '.join(missing)} are missing",
            hint=f"{expected}; {near[0]}" if near else expected,
            where=str(path),
        )
    if table.empty:
        raise DataError("there are no predictions in this file", where=str(path))
    for column in ("case_id", "patient_id", "split"):
        empty = table.index[table[column].str.strip() == ""]
        if len(empty):
            raise DataError(f"{len(empty)} rows have no {column}", where=f"{path}:{empty[0] + 2}")
    for column in ("repeat", "fold", "y_true"):
        table[column] = _numbers(table, column, path, whole=True)
    table["y_score"] = _numbers(table, "y_score", path)
    for column in ("target", "prediction"):
        if column in table.columns:
            table[column] = _numbers(table, column, path, optional=True)
    wrong = table.loc[~table["y_true"].isin([0, 1]), "case_id"].tolist()
    if wrong:
        raise DataError(
            f"y_true is neither 0 nor 1 for {_cases(wrong)}", hint="1 is the positive class", where=str(path)
        )
    twice = table.loc[table.duplicated(["case_id", "split", "repeat", "fold"]), "case_id"].tolist()
    if twice:
        raise DataError(
            f"given twice in one split and fold: {_cases(twice)}",
            hint="one row a case and fold; several videos of a patient share patient_id, not case_id",
            where=str(path),
        )
    table = table.astype(dict.fromkeys(("repeat", "fold", "y_true"), np.int64))
    if "threshold" in table.columns:
        table["threshold"] = _numbers(table, "threshold", path)
        if table["threshold"].nunique() > 1 and threshold is None:
            raise DataError("the rows have several thresholds", hint="give the one that is meant", where=str(path))
    if threshold is None:
        threshold = float(table["threshold"].iloc[0]) if "threshold" in table.columns else 0.5
    if probability is None:
        probability = "score_is" not in table.columns or not (table["score_is"] == NO_PROBABILITY).any()
    return Predictions(table, positive, threshold, probability)


def _numbers(
    table: pd.DataFrame, column: str, path: Path, *, whole: bool = False, optional: bool = False
) -> list[float]:
    # Python's own float keeps every digit, which pandas' parser of text does not promise.
    values = [_number(text) for text in table[column]]
    texts = table[column].str.strip()
    bad = [
        case
        for case, text, value in zip(table["case_id"], texts, values, strict=True)
        if not (optional and text == "") and (not math.isfinite(value) or (whole and value != int(value)))
    ]
    if bad:
        kind = "whole number" if whole else "finite number"
        hint = "leave a case without a score out, and say so, rather than invent one" if column == "y_score" else None
        raise DataError(
            f"{column} is not a {kind} for {_cases(bad)}",
            hint=hint,
            where=str(path),
        )
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _cases(names: list[str]) -> str:
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{len(names)} case{'s' if len(names) != 1 else ''}: {shown}"


def _strict(value: Any, indent: int | None = None) -> str:
    """JSON without NaN or infinity; numpy scalars of third-party evaluators become plain numbers."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, indent=indent, default=_plain)


def _plain(item: Any) -> Any:
    return item.item()
