"""The scores of one finished fold, kept beside its checkpoint: folds run alone or in any order, joined later."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from echokit.stamp import STAMP

if TYPE_CHECKING:
    import pandas as pd

FILE = "predictions.csv"


def keep_scores(directory: Path, table: pd.DataFrame, *, phantom: bool) -> None:
    """Write the rows of a fold with every digit, as the objective gives the scores: not yet calibrated."""
    from echokit.files import write_text

    stamped = table.assign(data=STAMP) if phantom else table
    write_text(directory / FILE, stamped.to_csv(index=False, lineterminator="\n"))


def read_scores(directory: Path, case_ids: set[str]) -> pd.DataFrame | None:
    """Read what `keep_scores` wrote, with the same bits; None where it is not there or not of these cases."""
    import pandas as pd

    try:
        table = pd.read_csv(
            directory / FILE,
            dtype={"case_id": str, "patient_id": str, "split": str},
            converters=dict.fromkeys(("y_score", "target", "prediction"), float),  # pandas' own reader may miss a bit
        )
    except (OSError, ValueError):
        return None
    if "case_id" not in table or set(table["case_id"]) != case_ids:
        return None
    return table.drop(columns="data", errors="ignore")
