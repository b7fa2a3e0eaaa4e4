"""Cell: one row of a suite with one seed, run in a process of its own, found again when nothing has changed.

``python -m echokit.bench.cell SPEC.json`` is that process. What it leaves is ``cell.json`` beside the run; the file
is written last and whole, so that a cell that was killed is run again, from its run's last checkpoint.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import EchokitError
from echokit.files import write_text
from echokit.fingerprint import digest, package_hash
from echokit.progress import Advance, shown_by
from echokit.run_directory import Run

if TYPE_CHECKING:
    from echokit.pipeline.prepared_cohort import LabelledCohort

RESULT = "cell.json"
FORMAT = 1


@dataclass(frozen=True)
class Spec:
    """What a cell is to do; plain data, so that it can be handed to another process.

    Attributes:
        suite, row: Whose cell it is.
        seed: Seed of the run.
        folder: Where the cell keeps everything.
        recipe: A path or name of a recipe, or None for a measure.
        overrides: ``a.b=value`` each, laid over the recipe.
        measure: Name of a measure, or None for a recipe.
        options: Given to the measure.
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
class Result:
    """What became of a cell.

    Attributes:
        key: Hash of all that decides it; another key means that it must be run again.
        status: ``done`` or ``failed``.
        problem: Why it failed, in the words of the error.
        run: The run's directory, relative to the cell's folder.
        recipe_hash: Of the run's lock.
        stamp: PHANTOM DATA, or None.
        facts: Numbers about the run: parameters, multiply-adds, seconds and the like.
        measured: What a measure gave.
        machine: What it was computed on.
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


def read_result(folder: Path) -> Result | None:
    """What a cell left, or None where it did not get to its end."""
    try:
        return Result(**json.loads((folder / RESULT).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def run_of(folder: Path, result: Result) -> Run:
    """The run of a cell that is done."""
    assert result.run is not None
    return Run(folder / result.run)


def compute(spec: Spec) -> Result:
    """Run a cell, or find it done, and leave its result."""
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        result = _measured(spec, folder) if spec.measure else _trained(spec, folder)
    except EchokitError as error:
        result = Result(key="", status="failed", problem=str(error))
    except Exception as error:  # a defect costs its cell, not the table; the log has the traceback
        traceback.print_exc()
        result = Result(key="", status="failed", problem=f"a defect: {type(error).__name__}: {error}")
    _write(folder / RESULT, asdict(result))
    return result


def _trained(spec: Spec, folder: Path) -> Result:
    from echokit.training.allocator import tune_allocator

    tune_allocator()
    from echokit.pipeline.cohort_stage import load_cohort
    from echokit.pipeline.run import run as run_request
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.check import load_recipe
    from echokit.recipe.compose import find_recipe

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
    from echokit.bench.facts import facts_of
    from echokit.bench.regions import region_facts

    facts = {**facts_of(run), **region_facts(cohort), "seconds": seconds, "peak_memory": _peak_memory()}
    lock = run.lock
    return Result(
        key=key,
        status="done",
        run=str(run.path.relative_to(folder)),
        recipe_hash=lock.recipe_hash,
        stamp=lock.stamp,
        facts=facts,
        machine=_machine(),
    )


def _measured(spec: Spec, folder: Path) -> Result:
    from echokit.bench.measures import measure_named

    assert spec.measure is not None
    measure = measure_named(spec.measure)
    machine = _machine()
    code = package_hash(measure.module.rpartition(".")[0])
    what = [FORMAT, spec.measure, dict(spec.options), code, machine, spec.seed]
    key = digest(what)
    before = read_result(folder)
    if before and before.key == key and before.status == "done":
        return before
    measured = measure.run(spec.options, spec.seed)
    return Result(key=key, status="done", stamp=measured.get("stamp"), measured=measured, machine=machine)


def _recipe_key(labelled: LabelledCohort) -> str:
    """Hash of what decides a run, without decoding a video: the lock's recipe hash needs them all."""
    from echokit.lock import make_lock

    cohort = labelled.cohort
    fingerprint = digest([cohort.fingerprint, len(cohort), [float(v) for v in labelled.targets.value]])
    facts = {"fingerprint": fingerprint, "phantom": cohort.phantom}
    return digest([FORMAT, make_lock(labelled.recipe, facts, {}).recipe_hash])


def _unfinished(folder: Path, name: str) -> Run | None:
    """The newest run of this cell that was stopped, so that it goes on where it was."""
    latest = folder / name / "latest"
    if not (latest / "lock.yaml").is_file():
        return None
    run = Run(latest.resolve())
    return None if run.complete else run


def _machine() -> dict[str, Any]:
    from echokit.lock import environment

    return environment()


def _peak_memory() -> int:
    """Most memory that this process or a child has held, in bytes."""
    return 1024 * max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _write(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


class _Lines:
    """Progress as plain lines, into the cell's log."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        self.say(f"{title}: {total}")
        yield lambda count: None

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run the cell of the spec that is named on the command line: exit code 0 done, 1 failed, 129 to 143 stopped."""
    spec = Spec(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    try:
        with shown_by(_Lines()):
            result = compute(spec)
    except KeyboardInterrupt as stop:
        sys.exit(int(getattr(stop, "exit_code", 130)))
    sys.exit(0 if result.status == "done" else 1)


if __name__ == "__main__":
    main()
