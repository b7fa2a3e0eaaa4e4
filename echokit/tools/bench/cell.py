"""Cell: one row of a suite with one seed, run in its own process and reused while nothing has changed.

``python -m echokit.tools.bench.cell SPEC.json`` is that process. It writes ``cell.json`` last and atomically: a cell
that was killed is run again, from the last checkpoint of its run.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.video.readers import plugin_readers
from echokit.errors import EchokitError
from echokit.results.lock import make_lock
from echokit.results.run import Run
from echokit.system.checksums import CHECKSUMS
from echokit.system.environment import environment
from echokit.system.files import write_text
from echokit.system.hashing import digest, package_hash
from echokit.system.progress import Advance, Silent, show_progress_on
from echokit.system.source_modules import take_over

if TYPE_CHECKING:
    from echokit.pipeline.prepared_cohort import LabelledCohort

RESULT = "cell.json"
FORMAT = 1


@dataclass(frozen=True)
class CellSpec:
    """The work of a cell, as plain data that can be passed to another process.

    Attributes:
        suite, row: Names of its suite and row.
        seed: Seed of the run.
        folder: Folder of all its files.
        recipe: Path or name of a recipe, or None for a measure.
        overrides: Overrides of the recipe, ``a.b=value`` each.
        measure: Name of a measure, or None for a recipe.
        options: Options of the measure.
    """

    suite: str
    row: str
    seed: int
    folder: str
    recipe: str | None = None
    overrides: tuple[str, ...] = ()
    measure: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class CellResult:
    """The result of a cell.

    Attributes:
        key: Hash of everything the result depends on; if it changes, the cell is run again.
        status: ``done`` or ``failed``.
        problem: The error message, if it failed.
        run: Directory of the run, relative to the folder of the cell.
        recipe_hash: Recipe hash of the run's lock.
        stamp: PHANTOM DATA, or None.
        facts: Numbers about the run: parameters, multiply-adds, seconds and others.
        measured: Result of the measure.
        machine: Processor and library versions.
    """

    key: str
    status: str
    problem: str | None = None
    run: str | None = None
    recipe_hash: str | None = None
    stamp: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    measured: Any = None
    machine: Mapping[str, Any] = field(default_factory=dict)


def read_result(folder: Path) -> CellResult | None:
    """Read the result of a cell; None if it has not finished."""
    try:
        return CellResult(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def run_of(folder: Path, result: CellResult) -> Run:
    """Return the run of a finished cell."""
    assert result.run is not None
    return Run(folder / result.run)


def compute(spec: CellSpec) -> CellResult:
    """Run a cell, unless an earlier result is still valid, and write its result."""
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = _run_measure(spec, folder) if spec.measure else _run_recipe(spec, folder)
    except EchokitError as error:
        result = CellResult(key="", status="failed", problem=str(error))
    except Exception as error:  # fails the cell, not the table; the traceback is in its log
        traceback.print_exc()
        result = CellResult(key="", status="failed", problem=f"a defect: {type(error).__name__}: {error}")

    write_text(folder / RESULT, json.dumps(asdict(result), indent=1, allow_nan=False) + "\n")
    return result


def _run_recipe(spec: CellSpec, folder: Path) -> CellResult:
    from echokit.system.malloc import tune_allocator

    tune_allocator()
    from echokit.pipeline.cohort_stage import load_cohort
    from echokit.pipeline.run import run as run_request
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.compose import find_recipe
    from echokit.recipe.validate import load_recipe

    assert spec.recipe is not None
    recipe = load_recipe(find_recipe(spec.recipe), spec.overrides)
    cohort = load_cohort(recipe)
    key = _recipe_key(cohort)
    before = read_result(folder)
    if before and before.key == key and before.status == "done" and run_of(folder, before).complete:
        return before
    started = time.perf_counter()
    run = run_request(RunRequest(cohort.recipe, folder, resume=_unfinished(folder, recipe.name)))
    seconds = time.perf_counter() - started
    from echokit.tools.bench.facts import model_facts
    from echokit.tools.bench.regions import region_facts

    facts = {**model_facts(run), **region_facts(cohort), "seconds": seconds, **_peak_memory()}
    lock = run.lock
    return CellResult(
        key=key,
        status="done",
        run=str(run.path.relative_to(folder)),
        recipe_hash=lock.recipe_hash,
        stamp=lock.stamp,
        facts=facts,
        machine=environment(),
    )


def _run_measure(spec: CellSpec, folder: Path) -> CellResult:
    from echokit.tools.bench.measures import measure_named

    assert spec.measure is not None
    measure = measure_named(spec.measure)
    machine, code = environment(), package_hash(measure.module.rpartition(".")[0])
    key = digest([FORMAT, spec.measure, dict(spec.options), code, machine, spec.seed])
    before = read_result(folder)
    if before and before.key == key and before.status == "done":
        return before
    measured = measure.run(spec.options, spec.seed)
    return CellResult(key=key, status="done", stamp=measured.get("stamp"), measured=measured, machine=machine)


def _recipe_key(labelled: LabelledCohort) -> str:
    """Hash what a run depends on, without decoding a video."""
    cohort = labelled.cohort
    fingerprint = digest([cohort.fingerprint, len(cohort), [float(v) for v in labelled.targets.value]])
    facts = {"fingerprint": fingerprint, "phantom": cohort.phantom}
    readers = plugin_readers(map(Path, cohort.cases["source"]))
    return digest([FORMAT, make_lock(labelled.recipe, facts, {}, readers=readers).recipe_hash])


def _unfinished(folder: Path, name: str) -> Run | None:
    """Find the latest run of this cell if it was interrupted, to resume it."""
    latest = folder / name / "latest"
    if not (latest / CHECKSUMS).is_file():  # no run, or one of an older echokit
        return None
    run = Run(latest.resolve())
    return None if run.complete else run


def _peak_memory() -> dict[str, int]:
    """Measure the peak memory of this process or a child, in bytes.

    Windows does not count it.
    """
    if sys.platform == "win32":
        return {}
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return {"peak_memory": unit * max(resource.getrusage(who).ru_maxrss for who in both)}


class _LogLines(Silent):
    """Progress as plain lines in the log of the cell."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        self.show_message(f"{title}: {total}")
        yield lambda count: None

    def show_message(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the cell of a spec file; exit code 0: done, 1: failed, else signal."""
    take_over(sys.stdin.read())
    spec = CellSpec(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        with show_progress_on(_LogLines()):
            result = compute(spec)
    except KeyboardInterrupt as stop:
        sys.exit(int(getattr(stop, "exit_code", 130)))
    sys.exit(0 if result.status == "done" else 1)


if __name__ == "__main__":
    main()
