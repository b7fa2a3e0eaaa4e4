"""The dry run: a run up to and including its preflight, or as far as it can go."""

from __future__ import annotations

from dataclasses import replace

from echokit.data.cohort.missing_dataset import AbsentError, NotCreatedError
from echokit.pipeline.cohort_stage import load_cohort
from echokit.pipeline.initial_weights import MissingRunError
from echokit.pipeline.preflight import CheckedCohort, check_recipe, preflight
from echokit.pipeline.prepared_cohort import LabelledCohort
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
        cohort = _without_weights(cohort)
    return preflight(cohort, session)


def validate(request: RunRequest) -> list[str]:
    """Check a run as far as the data and runs of this machine allow.

    Nothing is created, and no video is opened.

    Returns:
        What was not checked, with the reason.

    Raises:
        EchokitError: A mistake that the user can fix.
    """
    session = start_session(request)
    unchecked = []
    cohort = None
    try:
        cohort = load_cohort(request.recipe, create=False)
    except (AbsentError, NotCreatedError) as missing:
        unchecked.append(f"data, folds and classes ({missing.message})")
    if cohort is None:
        shapes = check_recipe(request.recipe, session)
    else:
        try:
            shapes = preflight(cohort, session).shapes
        except MissingRunError as missing:
            unchecked.append(f"initial weights ({missing.message})")
            shapes = preflight(_without_weights(cohort), session).shapes
    if shapes is None:
        unchecked.append("whether the network can take the clips (the videos decide their size)")
    return unchecked


def _without_weights(cohort: LabelledCohort) -> LabelledCohort:
    return replace(cohort, recipe=replace(cohort.recipe, weights=None))
