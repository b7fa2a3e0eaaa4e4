"""Published tables: numbers of others, shown beside ours and never mixed with them."""

from __future__ import annotations

from echokit.bench.suite import Published, Row, reference_folder
from echokit.errors import EchokitError
from echokit.lock import Lock

ECHONET_DYNAMIC = {"train": 7465, "val": 1288, "test": 1277}
"""Cases of each split of EchoNet-Dynamic, facts of its FileList.csv."""


def published_numbers(published: Published | None, row: Row) -> dict[str, tuple[float, float | None]]:
    """The published numbers of a row, by our column, each with its SD over folds or None.

    Raises:
        EchokitError: The table is not there, lacks a column, or not exactly one of its rows is meant.
    """
    import pandas as pd

    if published is None or not row.published:
        return {}
    path = reference_folder() / f"{published.table}.csv"
    if not path.is_file():
        raise EchokitError(f"there is no published table {published.table!r}", where=str(path))
    table = pd.read_csv(path)
    theirs = {ours: (name, None) if isinstance(name, str) else name for ours, name in published.columns.items()}
    wanted = [name for pair in theirs.values() for name in pair if name is not None]
    lacking = [c for c in (*row.published, *wanted) if c not in table.columns]
    if lacking:
        raise EchokitError(f"the published table has no column {lacking[0]!r}", where=str(path))
    chosen = table
    for column, value in row.published.items():
        chosen = chosen[chosen[column] == value]
    if len(chosen) != 1:
        raise EchokitError(f"{len(chosen)} rows of the published table are {row.published}", where=str(path))
    one = chosen.iloc[0]
    return {ours: (float(one[mean]), None if sd is None else float(one[sd])) for ours, (mean, sd) in theirs.items()}


def is_echonet_dynamic(lock: Lock) -> bool:
    """Whether a run's data are all of EchoNet-Dynamic, by the size of its splits; a phantom never is."""
    data = lock.content["data"]
    cases = {split: counts["cases"] for split, counts in data["splits"].items()}
    return not lock.phantom and cases == ECHONET_DYNAMIC
