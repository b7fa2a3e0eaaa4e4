"""Write a phantom dataset: whole or not at all, and marked as synthetic."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_args

from echokit.errors import DataError, EchokitError, did_you_mean
from echokit.phantom.case import EjectionFractions, PhantomCase, sample_case
from echokit.system.csv_cells import write_rows
from echokit.system.files import named_file, new_folder, write_text
from echokit.system.phantom_mark import MARKER
from echokit.system.worker_pool import WorkerFailure, cores, map_ordered

Item = TypeVar("Item")
Result = TypeVar("Result")

GENERATOR_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Hearts:
    """The range of hearts of a phantom; each case draws from it by seed.

    Attributes:
        cases: Number of videos or patients.
        seed: At least 0.
        ef: Distribution of the ejection fraction.
        size: Height and width of a frame in pixels.
        frames: Smallest and largest number of frames; None for 52 to 80.
    """

    cases: int
    seed: int
    ef: EjectionFractions
    size: int
    frames: tuple[int, int] | None

    def sample(self, index: int) -> PhantomCase:
        """Draw case ``index``."""
        return sample_case(self.seed, index, ef=self.ef, size=self.size, frames=self.frames)


@dataclass(frozen=True)
class Workers:
    """How a phantom is computed.

    Attributes:
        count: Processes; None for one a core.
        advance: Called with 1 after each finished item; None for no call.
    """

    count: int | None = None
    advance: Callable[[int], None] | None = None

    def map(self, work: Callable[[Item], Result], items: Sequence[Item], *, worth: int = 8) -> list[Result]:
        """Apply a function to all items in parallel; return results in order.

        Args:
            work: A function that another process can import.
            items: Its arguments.
            worth: Fewest items that justify one more process.

        Raises:
            EchokitError: A process was killed.
        """
        count = min(self.count or cores(), -(-len(items) // worth))
        if count <= 1:
            return [self._finished(work(item)) for item in items]
        with closing(map_ordered(work, items, workers=count)) as results:
            return [self._finished(result) for result in results]

    def _finished(self, result: Result | WorkerFailure) -> Result:
        if isinstance(result, WorkerFailure):
            raise EchokitError(
                f"the phantom cannot be written: {result.reason}", hint="is there memory left?", code="phantom.killed"
            )
        if self.advance is not None:
            self.advance(1)
        return result


class LayoutWriter(ABC):
    """Write synthetic hearts in the layout of a dataset; subclasses write its files.

    Attributes:
        layout: Name of the layout.
        generator: Name of the generator in ``PHANTOM_DATA.json``.
        statement: Description of the data in ``PHANTOM_DATA.json``.
    """

    layout: ClassVar[str]
    generator: ClassVar[str]
    statement: ClassVar[str]

    def write(
        self,
        directory: Path,
        *,
        cases: int,
        seed: int = 0,
        ef: EjectionFractions = "realistic",
        size: int = 112,
        frames: tuple[int, int] | None = None,
        advance: Callable[[int], None] | None = None,
        workers: int | None = None,
    ) -> None:
        """Write a phantom dataset; the bytes depend on the arguments alone.

        ``directory`` appears whole or not at all, with ``PHANTOM_DATA.json``, which marks the data as synthetic.

        Args:
            directory: Where to write; must not exist, or be empty.
            cases: Number of videos or patients, at least 1.
            seed: Seed, at least 0.
            ef: Distribution of the ejection fraction: ``realistic`` or ``wide``, see ``sample_ef``.
            size: Height and width in pixels, even, at least 32.
            frames: Smallest and largest number of frames; None for 52 to 80.
            advance: Called with 1 after each finished video or patient.
            workers: Processes; None for one a core. More than one starts processes with ``spawn``, so a script that
                calls this needs the usual ``if __name__ == "__main__"``.

        Raises:
            DataError: An argument is out of range, ``directory`` exists and is not empty, or a library is missing.
        """
        check_arguments(cases=cases, seed=seed, ef=ef, size=size, frames=frames, workers=workers)
        hearts = Hearts(cases=cases, seed=seed, ef=ef, size=size, frames=frames)
        facts = {"layout": self.layout, "seed": seed, "cases": cases, "ef": ef, "size": size, **self.facts(hearts)}
        with new_directory(directory, self.statement, self.generator, facts) as folder:
            self.write_files(folder, hearts, Workers(workers, advance))

    def facts(self, hearts: Hearts) -> dict[str, Any]:
        """Return further entries of ``PHANTOM_DATA.json``."""
        return {}

    @abstractmethod
    def write_files(self, folder: Path, hearts: Hearts, workers: Workers) -> None:
        """Write all files of the dataset but ``PHANTOM_DATA.json`` into an empty folder."""


@contextmanager
def new_directory(directory: Path, statement: str, generator: str, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a folder to write in; rename it to ``directory`` on success.

    Remove it on an exception.

    Args:
        directory: Must not exist, or be empty.
        statement: Description of the data, for ``PHANTOM_DATA.json``.
        generator: Name of the generator, for the same file.
        facts: Further entries of the same file.

    Raises:
        DataError: ``directory`` exists and is not empty.
    """
    directory = Path(directory)
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise DataError(
            "the phantom's directory exists and is not empty",
            hint="name a new directory, or delete this one first",
            where=str(directory),
            code="phantom.not_empty",
        )
    marker = {"statement": statement, "generator": generator, "generator_version": GENERATOR_VERSION, **facts}
    directory.parent.mkdir(parents=True, exist_ok=True)
    with new_folder(directory) as unfinished:
        yield unfinished
        write_text(unfinished / MARKER, json.dumps(marker, indent=2) + "\n")


def check_arguments(
    *, cases: int, seed: int, ef: str, size: int, frames: tuple[int, int] | None, workers: int | None
) -> None:
    """Check the arguments of a writer.

    Raises:
        DataError: One is out of range; ``where`` is its name.
    """
    known_names = get_args(EjectionFractions)
    if ef not in known_names:
        hint = did_you_mean(ef, known_names) or f"one of {', '.join(known_names)}"
        message = f"there is no distribution of ejection fractions {ef!r}"
        raise DataError(message, hint=hint, where="ef", code="phantom.unknown_ef")
    limits = (
        ("cases", cases >= 1, f"{cases} cases cannot be written", "at least 1"),
        ("seed", seed >= 0, f"the seed {seed} is negative", "a whole number from 0 on"),
        ("size", size >= 32 and size % 2 == 0, f"frames of {size} pixels cannot be written", "even, at least 32"),
        (
            "frames",
            frames is None or 2 <= frames[0] <= frames[1],
            f"{frames} is no range of frame counts",
            "smallest, largest; at least 2",
        ),
        ("workers", workers is None or workers >= 1, f"{workers} workers cannot work", "at least 1"),
    )
    for name, valid, message, hint in limits:
        if not valid:
            raise DataError(message, hint=hint, where=name, code="phantom.out_of_range")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, spreadsheet: bool = False) -> None:
    r"""Write a table in UTF-8 with ``\n`` line ends, or as spreadsheets do.

    Spreadsheets write a byte order mark and ``\r\n``.
    """
    encoding, line_end = ("utf-8-sig", "\r\n") if spreadsheet else ("utf-8", "\n")
    with named_file(path), path.open("w", newline="", encoding=encoding) as file:
        write_rows(file, [columns, *rows], line_end=line_end)


def write_records(path: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write mappings with the same keys as a table, see `write_csv`."""
    write_csv(path, tuple(records[0]), (tuple(record.values()) for record in records))


def case_columns(case: PhantomCase) -> dict[str, Any]:
    """Return every number drawn for a case as table columns."""
    columns: dict[str, Any] = {}
    for name, value in asdict(case).items():
        if name in ("seed", "index", "size", "ef"):
            continue
        parts = {f"{name}_{number}": part for number, part in enumerate(value)} if isinstance(value, tuple) else None
        for key, part in (parts or {name: value}).items():
            columns[key] = decimals(part)[0] if isinstance(part, float) else part
    return columns


def decimals(*values: float) -> tuple[str, ...]:
    """Format numbers with eight decimals."""
    return tuple(f"{value:.8f}" for value in values)
