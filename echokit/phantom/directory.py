"""Writing a phantom's directory: whole or not at all, marked as synthetic, the same bytes whatever the workers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar, get_args

from echokit.errors import DataError, EchokitError, did_you_mean
from echokit.files import new_folder
from echokit.phantom.cases import EjectionFractions
from echokit.stamp import MARKER
from echokit.workers import Lost, cores, in_order

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def new_directory(directory: Path, marker: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a folder to write in, which becomes ``directory`` when the block ends well, and nothing otherwise.

    Args:
        directory: Must not exist, or be empty.
        marker: What ``PHANTOM_DATA.json`` says.

    Raises:
        DataError: ``directory`` exists and is not empty.
    """
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(
            "the phantom's directory exists and is not empty",
            hint="name a new directory, or delete this one first",
            where=str(directory),
        )
    directory.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(directory) as unfinished:
        yield unfinished
        (unfinished / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")


def write_all(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int | None, *, worth: int = 8
) -> Iterator[Result]:
    """Do some work on every item in parallel; results come in the order of the items.

    Args:
        work: A function that another process can import.
        items: What it is done on.
        workers: Processes; None for one a core, but no more than the items are worth.
        worth: Items that are worth a process.

    Raises:
        EchokitError: A process was killed.
    """
    workers = min(workers or cores(), -(-len(items) // worth))
    if workers <= 1:
        yield from map(work, items)
        return
    with closing(in_order(work, items, workers=workers)) as results:
        for result in results:
            if isinstance(result, Lost):
                raise EchokitError(f"the phantom can not be written: {result.reason}", hint="is there memory left?")
            yield result


def check_arguments(
    *, cases: int, seed: int, ef: str, size: int, frames: tuple[int, int] | None, workers: int | None
) -> None:
    """Refuse what can not be written.

    Raises:
        DataError: Names the argument.
    """
    known = get_args(EjectionFractions)
    if ef not in known:
        hint = did_you_mean(ef, known) or f"one of {', '.join(known)}"
        raise DataError(f"there is no distribution of ejection fractions {ef!r}", hint=hint, where="ef")
    if cases < 1:
        raise DataError(f"{cases} cases can not be written", hint="at least 1", where="cases")
    if seed < 0:
        raise DataError(f"the seed {seed} is negative", hint="a whole number from 0 on", where="seed")
    if size < 32 or size % 2:
        raise DataError(f"frames of {size} pixels can not be written", hint="even, at least 32", where="size")
    if frames is not None and not 2 <= frames[0] <= frames[1]:
        raise DataError(f"{frames} is no range of frame counts", hint="smallest, largest; at least 2", where="frames")
    if workers is not None and workers < 1:
        raise DataError(f"{workers} workers can not work", hint="at least 1", where="workers")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with ``\\n`` at the end of each line."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
