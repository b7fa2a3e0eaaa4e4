"""``cohort.csv`` of a converted dataset: the labelled clips, for the dataset ``table``."""

from __future__ import annotations

from dataclasses import dataclass

from echokit.tools.convert.labels import NUMBERS, SURVIVAL, TARGET, lines_of
from echokit.tools.convert.listing import Joined


@dataclass(frozen=True)
class CohortTable:
    """The columns and rows of ``cohort.csv``, and what is to be known of it."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...]


def cohort_table(joined: Joined, videos: str) -> CohortTable | None:
    """Join the clips with the columns of the table; None without labels.

    A clip without a row, or of a patient without a target, is not in it.

    Args:
        joined: The clips and their labels.
        videos: Folder of the videos, beside the table.
    """
    table = joined.table
    if table is None or not table.columns:
        return None
    columns = ("source", "patient_id", *table.columns, *(["split"] if table.has_split else []))
    labelled = [(row, joined.labels[row.case_id]) for row in joined.converted if row.case_id in joined.labels]
    kept = [(row, label) for row, label in labelled if label.values.get(TARGET, "known")]
    rows = tuple(
        (
            f"{videos}/{row.case_id}.avi",
            row.patient_id,
            *(label.values[name] for name in table.columns),
            *([label.split] if table.has_split else []),
        )
        for row, label in kept
    )
    remarks = []
    if len(kept) < len(labelled):
        empty = dict.fromkeys(label.place for _, label in labelled if not label.values.get(TARGET, "known"))
        remarks.append(
            f"{len(labelled) - len(kept)} clips are not in cohort.csv, because {table.target} is empty: "
            f"{lines_of(empty)} of {table.table}"
        )
    others = ", ".join(name for name in table.columns if name != TARGET)
    remarks.append(
        f"cohort.csv has {len(rows)} clips of {len({row.patient_id for row, _ in kept})} patients"
        + (f"; {table.target} is the target" if table.target else "")
        + (f"; other columns: {others}" if others else "")
    )
    if table.target is None and not set(table.columns) <= {*NUMBERS, *SURVIVAL}:
        remarks.append("cohort.csv has no column target: --target COLUMN names the column of the table")
    if table.left_out:
        remarks.append(
            f"not in cohort.csv, because they may identify a patient: {', '.join(table.left_out)} "
            "(--column NAME keeps one)"
        )
    return CohortTable(columns, rows, tuple(remarks))
