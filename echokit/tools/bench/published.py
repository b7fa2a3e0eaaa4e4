"""Published results, shown beside ours but never combined with them."""

from __future__ import annotations

from echokit.errors import EchokitError
from echokit.results.lock import Lock
from echokit.tools.bench.suite import Published, Row, reference_folder

ECHONET_DYNAMIC = {"train": 7465, "val": 1288, "test": 1277}
"""Number of cases of each split of EchoNet-Dynamic, from its FileList.csv."""


def published_numbers(published: Published | None, row: Row) -> dict[str, tuple[float, float | None]]:
    """Look up the published values of a row by column, with SD or None.

    Raises:
        EchokitError: The table does not exist, lacks a column, or not exactly one row matches.
    """
    import pandas as pd

    if published is None or not row.published:
        return {}
    path = reference_folder() / f"{published.table}.csv"
    if not path.is_file():
        raise EchokitError(
            f"there is no published table {published.table!r}", where=str(path), code="published.unknown_table"
        )
    table = pd.read_csv(path)
    sources = {column: (name, None) if isinstance(name, str) else name for column, name in published.columns.items()}
    required = [*row.published, *(name for pair in sources.values() for name in pair if name is not None)]
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise EchokitError(
            f"the published table has no column {missing[0]!r}", where=str(path), code="table.missing_column"
        )
    matches = table
    for column, value in row.published.items():
        matches = matches[matches[column] == value]
    if len(matches) != 1:
        raise EchokitError(
            f"{len(matches)} rows of the published table match {row.published}",
            where=str(path),
            code="published.ambiguous_row",
        )
    match = matches.iloc[0]
    return {
        column: (float(match[mean]), None if sd is None else float(match[sd])) for column, (mean, sd) in sources.items()
    }


def is_echonet_dynamic(lock: Lock) -> bool:
    """Whether a run used all of EchoNet-Dynamic, by its split sizes.

    A phantom never counts.
    """
    data = lock.content["data"]
    cases = {split: counts["cases"] for split, counts in data["splits"].items()}
    return not lock.phantom and cases == ECHONET_DYNAMIC
