"""Read predictions.csv; write metrics.json and curves.json."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.cohort.text_table import line_of_rows, read_text_table
from echokit.errors import DataError, did_you_mean
from echokit.evaluation.evaluation import Evaluation
from echokit.evaluation.predictions import COLUMNS, NO_PROBABILITY, Predictions, list_cases
from echokit.system.files import write_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

MOST_WHOLE = 2**53
"""Of repeat and fold: beyond it a float skips whole numbers."""
_MOST_LINES = 10  # that a message lists
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
    "p",
    "p_method",
)


def write_metrics(evaluation: Evaluation, path: Path, *, stamp: str | None = None) -> None:
    """Write metrics.json: a list of objects with the fields of ``FIELDS``.

    Args:
        evaluation: Metrics and curves.
        path: The file, overwritten.
        stamp: A mark such as PHANTOM DATA, added to every entry as ``data``.
    """
    write_text(path, metrics_json(evaluation, stamp=stamp) + "\n")


def metrics_json(evaluation: Evaluation, *, stamp: str | None = None) -> str:
    """Return the text of metrics.json; see ``write_metrics``."""
    entries = []
    for metric in evaluation.metrics:
        values = asdict(metric)
        entry = {field: values[field] for field in FIELDS}
        entries.append({**entry, "data": stamp} if stamp else entry)
    return _strict(entries, indent=2)


def write_curves(evaluation: Evaluation, path: Path, *, stamp: str | None = None) -> None:
    """Write curves.json: ``stamp``, then each curve by name and split.

    Args:
        evaluation: Metrics and curves.
        path: The file, overwritten.
        stamp: A mark such as PHANTOM DATA, or None.
    """
    lines = [f'  "stamp": {_strict(stamp)}']
    for name, splits in evaluation.curves.items():
        parts = []
        for split, folds in splits.items():
            body = ",\n".join(f"      {_strict(fold)}" for fold in folds)
            parts.append(f"    {_strict(split)}: [\n{body}\n    ]")
        lines.append(f"  {_strict(name)}: {{\n" + ",\n".join(parts) + "\n  }")
    write_text(path, "{\n" + ",\n".join(lines) + "\n}\n")


def read_predictions(
    path: Path | str,
    *,
    positive: str = "positive",
    threshold: float | None = None,
    probability: bool | None = None,
) -> Predictions:
    """Read predictions.csv.

    Args:
        path: CSV with the columns of ``COLUMNS``, and ``target, prediction`` for an EF objective; other
            columns stay.
        positive: Name of the positive class.
        threshold: Score at and above which a case is classified as positive; None for the value of the column
            ``threshold``, and 0.5 without one.
        probability: Whether the scores are probabilities; None for the value of the column ``score_is``, and
            True without one.

    Raises:
        DataError: The file is missing, empty or no CSV; a column is missing; a number is invalid; a case
            is given twice in one split and fold; the rows have several thresholds. The message names the cases.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", hint="expected a CSV of predictions", where=str(path), code="file.missing")
    table = read_text_table(path)  # as text first: a patient named NA, or 007, stays what it is
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        near = [hint for column in missing if (hint := did_you_mean(column, table.columns))]
        expected = f"expected the columns {', '.join(COLUMNS)}"
        raise DataError(
            f"the columns {', '.join(missing)} are missing",
            hint=f"{expected}; {near[0]}" if near else expected,
            where=str(path),
            code="predictions.missing_column",
        )
    return parse_predictions(table, path, positive=positive, threshold=threshold, probability=probability)


def parse_predictions(
    table: pd.DataFrame,
    path: Path,
    *,
    positive: str = "positive",
    threshold: float | None = None,
    probability: bool | None = None,
) -> Predictions:
    """Convert a table of texts, with the columns of ``COLUMNS``, to predictions.

    Args:
        table: The rows of the file, in its order.
        path: The file, for messages.
        positive: See ``read_predictions``.
        threshold: See ``read_predictions``.
        probability: See ``read_predictions``.

    Raises:
        DataError: See ``read_predictions``.
    """
    import numpy as np

    if table.empty:
        raise DataError("there are no predictions in this file", where=str(path), code="predictions.empty")
    for column in ("case_id", "patient_id", "split"):
        empty = np.flatnonzero(table[column].str.strip() == "")
        if len(empty):
            raise DataError(f"{count_rows(empty)} no {column}", where=place(path, empty), code="predictions.empty_cell")
    for column in ("repeat", "fold", "y_true"):
        table[column] = _numbers(table, column, path, whole=True)
    table["y_score"] = _numbers(table, "y_score", path)
    for column in ("target", "prediction"):
        if column in table.columns:
            table[column] = _numbers(table, column, path, optional=True)
    wrong = table.loc[~table["y_true"].isin([0, 1]), "case_id"].tolist()
    if wrong:
        raise DataError(
            f"y_true is neither 0 nor 1 for {list_cases(wrong)}",
            hint="1 is the positive class",
            where=str(path),
            code="predictions.bad_class",
        )
    again = table.duplicated(["case_id", "split", "repeat", "fold"])
    if again.any():
        raise DataError(
            f"given twice in one split and fold: {list_cases(table.loc[again, 'case_id'])}",
            hint="one row a case and fold; several videos of a patient share patient_id, not case_id",
            where=place(path, np.flatnonzero(again)),
            code="predictions.duplicate_case",
        )
    table = table.astype(dict.fromkeys(("repeat", "fold", "y_true"), np.int64))
    if threshold is None and "threshold" in table.columns:
        table["threshold"] = _numbers(table, "threshold", path)
        if table["threshold"].nunique() > 1:
            raise DataError(
                "the rows have several thresholds",
                hint="give one threshold for all rows (--threshold NUMBER)",
                where=str(path),
                code="predictions.many_thresholds",
            )
        threshold = float(table["threshold"].iloc[0])
    if probability is None:
        probability = "score_is" not in table.columns or not (table["score_is"] == NO_PROBABILITY).any()
    return Predictions(table, positive, 0.5 if threshold is None else threshold, probability)


def _numbers(
    table: pd.DataFrame, column: str, path: Path, *, whole: bool = False, optional: bool = False
) -> list[float]:
    # Python's own float keeps every digit, which pandas' parser of text does not promise.
    texts = [text.strip() for text in table[column]]
    values = [to_number(text) for text in texts]
    invalid = [
        row
        for row, (text, value) in enumerate(zip(texts, values, strict=True))
        if not (optional and text == "")
        and (not math.isfinite(value) or (whole and (value != int(value) or abs(value) > MOST_WHOLE)))
    ]
    if invalid:
        kind = "whole number" if whole else "finite number"
        hint = None
        if any(re.fullmatch(r"[-+]?[0-9]+,[0-9]+", texts[row]) for row in invalid):
            hint = "write decimal points, not commas"
        elif column == "y_score":
            hint = "leave out a case without a score, and report that, rather than invent a score"
        raise DataError(
            f"{column} is not a {kind} for {list_cases(table['case_id'].iloc[invalid])}",
            hint=hint,
            where=place(path, invalid),
            code="predictions.bad_number",
        )
    return values


def place(path: Path, rows: Sequence[int] | npt.NDArray[np.intp]) -> str:
    """Format the place of the first of some rows of a table: ``FILE:5``."""
    return f"{path}:{line_of_rows(path, [int(rows[0])])[0]}"


def list_lines(path: Path, texts: Sequence[str], rows: Sequence[int]) -> str:
    """List the lines of some rows, with a cell of each: ``line 4 ('NA')``."""
    lines = line_of_rows(path, rows)
    shown = (f"line {line} ({texts[row]!r})" for line, row in zip(lines[:_MOST_LINES], rows, strict=False))
    return ", ".join(shown) + (f", and {len(rows) - _MOST_LINES} more" if len(rows) > _MOST_LINES else "")


def count_rows(rows: Sequence[int] | npt.NDArray[np.intp]) -> str:
    """Count rows, to go before what they have: ``1 row has``, ``5 rows have``."""
    return "1 row has" if len(rows) == 1 else f"{len(rows)} rows have"


def to_number(text: str) -> float:
    """Parse a number in ASCII digits, NaN if the text is none."""
    if "_" in text or not text.isascii():  # Python's own float reads 1_0 as 10
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _strict(value: Any, indent: int | None = None) -> str:
    """Encode as JSON without NaN; numpy scalars of evaluators become plain numbers."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, indent=indent, default=lambda item: item.item())
