"""Execute: the cells of a suite, each in a process of its own, those that others start from first."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echokit.bench.cell import RESULT, Result, Spec, read_result, run_of
from echokit.bench.suite import Row, Suite, flat_overrides, read_suite
from echokit.errors import EchokitError
from echokit.progress import display
from echokit.workers import cores

SPEC, LOG = "spec.json", "log.txt"
STOPPED = (129, 130, 143)
Key = tuple[str, str, int]
"""Suite, row and seed."""


@dataclass(frozen=True)
class Cell:
    """A cell of a suite and what it waits for.

    Attributes:
        suite: Whose scale decides how much work it is.
        row: Its row.
        seed: Its seed.
        folder: Where it keeps everything.
        needs: The cell whose weights it starts from.
    """

    suite: Suite
    row: Row
    seed: int
    folder: Path
    needs: Key | None = None

    @property
    def key(self) -> Key:
        """What names it."""
        return self.suite.name, self.row.name, self.seed


def cells_of(suite: Suite, out: Path, rows: Sequence[str] = (), seeds: Sequence[int] = ()) -> dict[Key, Cell]:
    """The cells of a suite, and those of other suites that they start from, in an order that can be run.

    Args:
        suite: At its scale.
        out: Where all cells of all suites are kept.
        rows: Only these rows; all of the scale by default.
        seeds: Only these seeds; all of the scale by default.

    Raises:
        EchokitError: A row is not there, or rows wait for each other.
    """
    found: dict[Key, Cell] = {}
    for row in [suite.row(name) for name in rows] or suite.rows:
        for seed in seeds or suite.work.seeds:
            _add(found, suite, row, seed, out, ())
    return found


def _add(found: dict[Key, Cell], suite: Suite, row: Row, seed: int, out: Path, waiting: tuple[Key, ...]) -> Key:
    key = (suite.name, row.name, seed)
    if key in waiting:
        raise EchokitError(f"the row {row.name!r} waits for itself", where=str(suite.path))
    needs = None
    if row.weights_from:
        other, _, name = row.weights_from.rpartition("/")
        source = read_suite(other, suite.scale) if other else suite
        first = source.work.seeds
        needs = _add(found, source, source.row(name), seed if seed in first else first[0], out, (*waiting, key))
    folder = out / suite.scale / suite.name / row.name / f"seed-{seed}"
    found.setdefault(key, Cell(suite, row, seed, folder, needs))
    return key


def execute(cells: Mapping[Key, Cell], *, jobs: int = 1, again: bool = False) -> dict[Key, Result]:
    """Run the cells that are not done yet; one that fails costs itself and what waits for it.

    Args:
        cells: From `cells_of`.
        jobs: Cells at a time; the cores are shared among them.
        again: Run cells that are done again.

    Raises:
        KeyboardInterrupt: A cell was stopped by a signal; what is done is kept.
    """
    results: dict[Key, Result] = {}
    left = dict(cells)
    with display().task("Cells", len(cells)) as advance, ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[Result], Key] = {}
        try:
            while left or running:
                for cell in _ready(left, results):
                    if len(running) >= jobs:
                        break
                    del left[cell.key]
                    running[pool.submit(_run, cell, results, jobs, again)] = cell.key
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    key = running.pop(future)
                    results[key] = future.result()
                    _tell(key, results[key])
                    advance(1)
        except BaseException:
            left.clear()
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _ready(left: Mapping[Key, Cell], results: Mapping[Key, Result]) -> Iterator[Cell]:
    yield from [cell for cell in left.values() if cell.needs is None or cell.needs in results]


def _run(cell: Cell, results: Mapping[Key, Result], jobs: int, again: bool) -> Result:
    weights = None
    if cell.needs is not None:
        first = results[cell.needs]
        if first.status != "done":
            return Result(key="", status="failed", problem=f"it starts from {cell.needs[1]}, which failed")
        weights = run_of(_folder_of(cell, cell.needs), first).path
    cell.folder.mkdir(parents=True, exist_ok=True)
    if again:
        (cell.folder / RESULT).unlink(missing_ok=True)
    spec = cell.folder / SPEC
    spec.write_text(json.dumps(asdict(_spec(cell, weights)), indent=1) + "\n", encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores() // jobs))} if jobs > 1 else dict(os.environ)
    with (cell.folder / LOG).open("w", encoding="utf-8") as log:
        code = subprocess.call(
            [sys.executable, "-m", "echokit.bench.cell", str(spec)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
    if code in STOPPED or code == -2:
        raise KeyboardInterrupt("a cell was stopped")
    result = read_result(cell.folder)
    if code in (0, 1) and result is not None:
        return result
    return Result(key="", status="failed", problem=f"the process ended with {code}; see {cell.folder / LOG}")


def options_of(cell: Cell) -> dict[str, Any]:
    """What a cell's measure is given: the scale's options, the row's, and the row's at this scale."""
    row, suite = cell.row, cell.suite
    return {**suite.work.options, **row.options, **row.options_at.get(suite.scale, {})}


def _folder_of(cell: Cell, key: Key) -> Path:
    suite, row, seed = key
    return cell.folder.parents[2] / suite / row / f"seed-{seed}"


def _spec(cell: Cell, weights: Path | None) -> Spec:
    row, work = cell.row, cell.suite.work
    where = {"suite": cell.suite.name, "row": row.name, "seed": cell.seed, "folder": str(cell.folder)}
    if row.measure:
        return Spec(**where, measure=row.measure, options=options_of(cell))  # type: ignore[arg-type]
    assert row.recipe is not None
    beside = cell.suite.path.parent / row.recipe
    values = [*flat_overrides(work.set), *flat_overrides(row.set), ("seed", cell.seed), ("name", row.name)]
    if weights is not None:
        values.append(("model.weights", f"run:{weights.absolute()}"))
    overrides = tuple(f"{place}={json.dumps(value)}" for place, value in values)
    recipe = str(beside) if beside.is_file() else row.recipe
    return Spec(**where, recipe=recipe, overrides=overrides)  # type: ignore[arg-type]


def _tell(key: Key, result: Result) -> None:
    suite, row, seed = key
    if result.status != "done":
        problem = (result.problem or "").splitlines()[0] if result.problem else "no message"
        display().say(f"failed: {suite} {row} seed {seed}: {problem}")
