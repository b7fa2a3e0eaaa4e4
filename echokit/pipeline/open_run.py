"""Open the run directory of a run: the first files that a run writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from echokit.errors import EchokitError
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.resume_run import extend_run
from echokit.pipeline.session import RunRequest, Session
from echokit.results.lock import Lock
from echokit.results.run import LOCK, Run, write_table
from echokit.results.run_directories import create_run

PATIENCE = 10.0
"""Seconds that a fold waits for another one that is just starting."""


@contextmanager
def open_run(plan: FoldPlan, session: Session) -> Iterator[Run]:
    """Create the run directory with its lock and cohort, or open it again.

    No other process writes to it inside the block, except one that trains another fold alone.

    Raises:
        EchokitError: The folder cannot be written, or another process is at the run.
    """
    with ExitStack() as held:
        path = _open(plan.lock, session.request).path if session.is_main or plan.resume else None
        if path is not None and session.is_main:
            if plan.extends_now:
                with _hold(path, None):  # no fold of it may be trained as it was
                    extend_run(Run(path), plan.lock)
            held.callback(_hold(path, plan.only_fold).release)
        run = Run(session.distributed.broadcast(path))
        if session.is_main:
            write_table(plan.dataset.cases.drop(columns="source"), run.path / "cohort.csv", plan.lock.stamp)
        yield run


def _open(lock: Lock, request: RunRequest) -> Run:
    if request.resume is not None:
        return request.resume
    run = create_run(request.out, lock.recipe.name)
    lock.write(run.path / LOCK)
    return run


def _hold(path: Path, fold: int | None) -> FileLock:
    """Hold a run, or one of its folds, until the lock is released or the process ends.

    A fold holds the run only while it takes its own lock. Who holds the run therefore looks at every fold.

    Raises:
        EchokitError: Another process holds it.
    """
    run_lock = FileLock(path / ".run.lock")
    try:
        run_lock.acquire(timeout=0 if fold is None else PATIENCE)
        if fold is not None:
            fold_lock = FileLock(path / f".fold-{fold}.lock")
            fold_lock.acquire(timeout=0)
            run_lock.release()
            return fold_lock
        for file in path.glob(".fold-*.lock"):
            with FileLock(file, timeout=0):
                pass
    except Timeout as error:
        run_lock.release()
        what = "a fold of this run" if Path(error.lock_file).name.startswith(".fold-") else "this run"
        raise EchokitError(
            f"another process is at {what}",
            hint="wait until it ends, or stop it; other folds can be trained beside it with --resume --fold N",
            where=str(path),
            code="run.in_use",
        ) from None
    return run_lock
