"""Run the cells of a suite, each in its own process, in the order of their dependencies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.system.files import write_text
from echokit.system.progress import display
from echokit.system.source_modules import handed_over
from echokit.system.stop_signals import STOPPING, Interrupted
from echokit.system.worker_pool import cores
from echokit.tools.bench.cell import RESULT, CellResult, CellSpec, read_result, run_of
from echokit.tools.bench.suite import Row, Suite, flat_overrides, read_suite

SPEC, LOG = "spec.json", "log.txt"
Key = tuple[str, str, int]
"""Suite, row and seed."""


@dataclass(frozen=True)
class Cell:
    """A cell of a suite and the cell that it depends on.

    Attributes:
        suite: Its suite, at one scale.
        row: Its row.
        seed: Its seed.
        folder: Folder of all its files.
        needs: The cell that provides its initial weights.
    """

    suite: Suite
    row: Row
    seed: int
    folder: Path
    needs: Key | None = None

    @property
    def key(self) -> Key:
        """Suite, row and seed."""
        return self.suite.name, self.row.name, self.seed


def cells_of(suite: Suite, out: Path, rows: Sequence[str] = (), seeds: Sequence[int] = ()) -> dict[Key, Cell]:
    """List the cells of a suite after those that they depend on.

    Args:
        suite: A suite at one scale.
        out: Folder of the cells of all suites.
        rows: Only these rows; all of the scale by default.
        seeds: Only these seeds; all of the scale by default.

    Raises:
        EchokitError: A row does not exist, or depends on itself.
    """
    cells: dict[Key, Cell] = {}
    for row in [suite.row(name) for name in rows] or suite.rows:
        for seed in seeds or suite.work.seeds:
            _add(cells, suite, row, seed, out, ())
    return cells


def _add(cells: dict[Key, Cell], suite: Suite, row: Row, seed: int, out: Path, dependents: tuple[Key, ...]) -> Key:
    key = (suite.name, row.name, seed)
    if key in dependents:
        raise EchokitError(
            f"the row {row.name!r} depends on its own weights", where=str(suite.path), code="suite.circular_row"
        )
    needs = None
    if row.weights_from:
        other, _, name = row.weights_from.rpartition("/")
        source = read_suite(other, suite.scale) if other else suite
        seeds = source.work.seeds
        needs = _add(cells, source, source.row(name), seed if seed in seeds else seeds[0], out, (*dependents, key))
    folder = out / suite.scale / suite.name / row.name / f"seed-{seed}"
    cells.setdefault(key, Cell(suite, row, seed, folder, needs))
    return key


def execute(cells: Mapping[Key, Cell], *, jobs: int = 1, again: bool = False) -> dict[Key, CellResult]:
    """Run the unfinished cells; a failure only skips those depending on it.

    Args:
        cells: From `cells_of`.
        jobs: Number of parallel cells, which share the cores.
        again: Run finished cells again.

    Raises:
        Interrupted: A cell was stopped by a signal; finished cells are saved.
    """
    results: dict[Key, CellResult] = {}
    pending = dict(cells)
    processes: list[subprocess.Popen[bytes]] = []
    with display().task("Cells", len(cells)) as advance, ThreadPoolExecutor(jobs) as pool:
        running: dict[Future[CellResult], Key] = {}
        try:
            while pending or running:
                for cell in _ready(pending, results):
                    if len(running) >= jobs:
                        break
                    del pending[cell.key]
                    running[pool.submit(_run, cell, results, jobs, again, processes)] = cell.key
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    key = running.pop(future)
                    results[key] = future.result()
                    _report_failure(key, results[key])
                    advance(1)
        except BaseException:
            pending.clear()
            for process in processes:
                process.terminate()  # a cell saves its position
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _ready(pending: Mapping[Key, Cell], results: Mapping[Key, CellResult]) -> Iterator[Cell]:
    yield from [cell for cell in pending.values() if cell.needs is None or cell.needs in results]


def _run(
    cell: Cell,
    results: Mapping[Key, CellResult],
    jobs: int,
    again: bool,
    processes: list[subprocess.Popen[bytes]],
) -> CellResult:
    weights = None
    if cell.needs is not None:
        source = results[cell.needs]
        if source.status != "done":
            return CellResult(key="", status="failed", problem=f"it needs the weights of {cell.needs[1]}, which failed")
        weights = run_of(_folder_of(cell, cell.needs), source).path
    cell.folder.mkdir(parents=True, exist_ok=True)
    if again:
        (cell.folder / RESULT).unlink(missing_ok=True)
    spec = cell.folder / SPEC
    write_text(spec, json.dumps(asdict(_spec(cell, weights)), indent=1) + "\n")
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, cores() // jobs))} if jobs > 1 else dict(os.environ)
    with (cell.folder / LOG).open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "echokit.tools.bench.cell", str(spec)],
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.PIPE,
            env=environment,
        )
        processes.append(process)
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # it ended at once
            process.stdin.write(handed_over().encode())
        code = process.wait()
    signum = -code if code < 0 else code - 128
    if signum in STOPPING:
        raise Interrupted(signum)
    result = read_result(cell.folder)
    if code in (0, 1) and result is not None:
        return result
    return CellResult(key="", status="failed", problem=f"the process ended with {code}; see {cell.folder / LOG}")


def options_of(cell: Cell) -> dict[str, Any]:
    """Merge the options of a measure: of the scale, the row, and both."""
    row, suite = cell.row, cell.suite
    return {**suite.work.options, **row.options, **row.options_at.get(suite.scale, {})}


def _folder_of(cell: Cell, key: Key) -> Path:
    suite, row, seed = key
    return cell.folder.parents[2] / suite / row / f"seed-{seed}"


def _spec(cell: Cell, weights: Path | None) -> CellSpec:
    row, work = cell.row, cell.suite.work
    identity = {"suite": cell.suite.name, "row": row.name, "seed": cell.seed, "folder": str(cell.folder)}
    if row.measure:
        return CellSpec(**identity, measure=row.measure, options=options_of(cell))  # type: ignore[arg-type]
    assert row.recipe is not None
    path = cell.suite.path.parent / row.recipe
    values = [*flat_overrides(work.set), *flat_overrides(row.set), ("seed", cell.seed), ("name", row.name)]
    if weights is not None:
        values.append(("model.weights", f"run:{weights.absolute()}"))
    overrides = tuple(f"{key}={json.dumps(value)}" for key, value in values)
    recipe = str(path) if path.is_file() else row.recipe
    return CellSpec(**identity, recipe=recipe, overrides=overrides)  # type: ignore[arg-type]


def _report_failure(key: Key, result: CellResult) -> None:
    suite, row, seed = key
    if result.status != "done":
        problem = (result.problem or "").splitlines()[0] if result.problem else "no message"
        display().show_message(f"failed: {suite} {row} seed {seed}: {problem}")
