"""The patients of a run on its page: cohort table and flow diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from echokit.evaluation.predictions import Predictions
from echokit.results.run import Run
from echokit.results.wording import column_name, set_name

if TYPE_CHECKING:
    import pandas as pd

SPLIT = "test"
MOST_LEVELS = 6
NOT_COVARIATES = ("case_id", "patient_id", "split", "y_true", "data", "target")


def cohort_table(run: Run, predictions: Predictions) -> dict[str, Any]:
    """Describe the cohort by split and by class: head and rows of a table."""
    import pandas as pd

    cohort = run.cohort
    table = predictions.table
    groups: list[tuple[str, pd.DataFrame]] = [("all", cohort)]
    if len(table[["repeat", "fold"]].drop_duplicates()) == 1:
        split_of_case = table.drop_duplicates("case_id").set_index("case_id")["split"]
        splits = cohort["case_id"].map(split_of_case)
        groups += [
            (set_name(split), cohort[splits == split]) for split in ("train", "val", "test") if (splits == split).any()
        ]
    positive = predictions.positive
    groups += [(positive, cohort[cohort["y_true"] == 1]), (f"not {positive}", cohort[cohort["y_true"] == 0])]
    rows = [["videos", *(f"{len(part):,}" for _, part in groups)]]
    rows.append(["patients", *(f"{part['patient_id'].nunique():,}" for _, part in groups)])
    rows.append([f"{positive} videos", *(_share(int(part["y_true"].sum()), len(part)) for _, part in groups)])
    for column in cohort.columns:
        if column in NOT_COVARIATES:
            continue
        values, name = cohort[column], column_name(str(column))
        if pd.api.types.is_numeric_dtype(values) and values.nunique() > 2:
            rows.append([f"{name}, mean (SD)", *(_mean_sd(part[column]) for _, part in groups)])
        elif 1 < values.nunique() <= MOST_LEVELS:
            for level in sorted(values.dropna().unique(), key=str):
                cells = [_share(int((part[column] == level).sum()), len(part)) for _, part in groups]
                rows.append([f"{name}: {level}", *cells])
        if values.isna().any():
            rows.append([f"{name}: unknown", *(f"{int(part[column].isna().sum()):,}" for _, part in groups)])
    return {"head": ["", *(name for name, _ in groups)], "rows": rows}


def _mean_sd(values: pd.Series[Any]) -> str:
    values = values.dropna()
    if not len(values):
        return "none"
    return f"{values.mean():.1f} ({values.std():.1f})" if len(values) > 1 else f"{values.mean():.1f}"


def _share(some: int, of: int) -> str:
    return f"{some:,} ({100 * some / of:.0f}\u00a0%)" if of else "0"


def flow(run: Run, predictions: Predictions) -> dict[str, Any]:
    """Count videos and patients from the files to the sets of the run."""
    data = run.lock.content["data"]
    table = predictions.table
    single = len(table[["repeat", "fold"]].drop_duplicates()) == 1
    parts = []
    if single:
        for split in ("train", "val", "test"):
            part = table[table["split"] == split]
            if len(part):
                positives = part.loc[part["y_true"] == 1, "patient_id"].nunique()
                parts.append(
                    {
                        "name": set_name(split),
                        "videos": len(part),
                        "patients": part["patient_id"].nunique(),
                        "positives": positives,
                    }
                )
    else:
        test = table[table["split"] == SPLIT].drop_duplicates("case_id")
        folds = len(table[table["split"] == SPLIT][["repeat", "fold"]].drop_duplicates())
        positives = test.loc[test["y_true"] == 1, "patient_id"].nunique()
        parts.append(
            {
                "name": f"tested in {folds} folds",
                "videos": len(test),
                "patients": test["patient_id"].nunique(),
                "positives": positives,
            }
        )
    return {
        "read": data["cases"] + data["unreadable"] + data["excluded"],
        "excluded": data["excluded"],
        "unreadable": data["unreadable"],
        "used": data["cases"],
        "parts": parts,
    }
