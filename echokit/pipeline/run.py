"""The core loop: recipe -> cohort -> prepared clips -> folds -> results -> report."""

from __future__ import annotations

from echokit.pipeline.callbacks import run_callbacks
from echokit.pipeline.cohort_stage import load_cohort, prepare_clips
from echokit.pipeline.fit_fold import fit_fold
from echokit.pipeline.fold_plan import plan_folds
from echokit.pipeline.inference.input_check import write_input_reference
from echokit.pipeline.open_run import open_run
from echokit.pipeline.preflight import preflight
from echokit.pipeline.session import RunRequest, start_session
from echokit.pipeline.time_estimate import tell_duration
from echokit.pipeline.write_report import try_report
from echokit.pipeline.write_results import write_results
from echokit.results.run import Run


def run(request: RunRequest) -> Run:
    """Run a recipe from its data to its report.

    Raises:
        EchokitError: A mistake that the user can fix.
        Interrupted: A signal stopped the training; ``--resume`` continues it.
    """
    session = start_session(request)  # device and processes
    with session.main_process_first():  # the other processes find what the main one has prepared
        cohort = load_cohort(request.recipe)  # cases and labels, of the fallback if the dataset is missing
        checked = preflight(cohort, session)  # folds, initial weights, model: every mistake that shows before a video
        dataset = prepare_clips(checked.cohort)  # decoded, masked, resized clips in the store
    plan = plan_folds(checked, dataset, session)  # what all folds share; checks that need the clips
    with (
        open_run(plan, session) as run,  # the first files: lock.yaml and cohort.csv; no other process is at this run
        run_callbacks(run, plan, session) as callbacks,  # progress bars, trackers, hooks of plugins
    ):
        tell_duration(plan, run, session)  # how long the training takes, from a measured step
        results = [fit_fold(plan, fold, run, callbacks) for fold in plan.selected]
        if plan.only_fold is None and session.is_main:
            write_input_reference(plan, run)  # the look of the training clips, for `echokit predict`
            write_results(plan, run, results, callbacks)  # predictions, metrics, curves, figures, summary
            try_report(plan, run)  # report.html; an error there does not end the run
    session.wait()
    return run
