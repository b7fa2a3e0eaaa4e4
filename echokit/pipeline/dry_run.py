"""The dry run: a run up to and including its preflight."""

from __future__ import annotations

from dataclasses import replace

from echokit.pipeline.cohort_stage import load_cohort
from echokit.pipeline.preflight import CheckedCohort, preflight
from echokit.pipeline.session import RunRequest, start_session


def dry_run(request: RunRequest, *, weights_follow: bool = False) -> CheckedCohort:
    """Check a run without opening a video.

    Args:
        request: The run.
        weights_follow: The run that gives the initial weights does not exist yet; it would be trained first.

    Raises:
        EchokitError: A mistake that the user can fix.
    """
    session = start_session(request)
    cohort = load_cohort(request.recipe)
    if weights_follow:
        cohort = replace(cohort, recipe=replace(cohort.recipe, weights=None))
    return preflight(cohort, session)
