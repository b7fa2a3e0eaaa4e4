"""Open the run directory of a run: the first files that a run writes."""

from __future__ import annotations

from echokit.errors import EchokitError
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.session import RunRequest, Session
from echokit.results.lock import Lock
from echokit.results.run import Run, create_run, write_table


def open_run(plan: FoldPlan, session: Session) -> Run:
    """Create the run directory with its lock and cohort, or open it again.

    Raises:
        EchokitError: The folder cannot be written, or the run to resume has another recipe, data or version.
    """
    path = _open(plan.lock, session.request).path if session.is_main or plan.resume else None
    run = Run(session.distributed.broadcast(path))
    if session.is_main:
        write_table(plan.dataset.cases.drop(columns="source"), run.path / "cohort.csv", plan.lock.stamp)
    return run


def _open(lock: Lock, request: RunRequest) -> Run:
    resume = request.resume
    if resume is None:
        run = create_run(request.out, lock.recipe.name)
        lock.write(run.path / "lock.yaml")
        return run
    if resume.lock.recipe_hash != lock.recipe_hash:
        raise EchokitError(
            "the run to resume has another recipe, other data or another version of the code",
            hint=f"its hash is {resume.lock.recipe_hash[:12]}, this one's {lock.recipe_hash[:12]}; start a new run",
            where=str(resume.path),
            code="run.other_recipe",
        )
    return resume
