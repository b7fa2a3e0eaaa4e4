"""Evaluate the folds together and write the result files of a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.cohort.target import TargetSettings
from echokit.evaluation.predictions import NO_PROBABILITY
from echokit.pipeline.callbacks import RunCallbacks
from echokit.pipeline.cohort_stage import preparation_warnings
from echokit.pipeline.fold_files import FoldResult
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.inference.input_check import REFERENCE
from echokit.pipeline.negative_controls import compute_controls
from echokit.pipeline.resume_run import extension_notes
from echokit.results.lock import Lock
from echokit.results.run import LOCK, NOTES, SECTIONS, SUMMARY, Run, write_table
from echokit.results.run_directories import runs_folder
from echokit.system.checksums import CHECKSUMS, add_checksums, read_checksums, write_checksums
from echokit.system.files import write_text
from echokit.training.calibrators.calibration import Uncalibrated, all_or_none

if TYPE_CHECKING:
    from echokit.evaluation.evaluation import Metric
    from echokit.evaluation.predictions import Predictions
    from echokit.pipeline.negative_controls import Controls
    from echokit.plugins.hookspecs import Section

CONTROLS = "controls.json"
RESULTS = ("cohort.csv", "predictions.csv", "history.jsonl", "metrics.json", "curves.json")


def write_results(plan: FoldPlan, run: Run, results: Sequence[FoldResult], callbacks: RunCallbacks) -> None:
    """Evaluate all folds and write the result files.

    ``summary.md`` is the last file. Its checksum, written with those of all other files, marks the run as complete.

    Raises:
        DataError: The predictions cannot be evaluated.
    """
    from echokit.evaluation.evaluate_folds import evaluate_folds
    from echokit.evaluation.files.metric_files import write_curves, write_metrics
    from echokit.results.figures.write_figures import write_plots
    from echokit.results.summary.division import division_of, tried_configurations
    from echokit.results.summary.summary import RunSummary, SelectedEpochRow, write_summary

    controls = compute_controls(plan)
    unseal(run)
    path, lock, recipe, stamp = run.path, plan.lock, plan.recipe, plan.lock.stamp
    predictions, score = join_folds(results, recipe.target)
    write_table(predictions.table, path / "predictions.csv", stamp)
    history = [record for result in results for record in result.history]
    write_history(history, path / "history.jsonl", stamp)
    evaluators = [(use.component.full_name, use.build()) for use in recipe.evaluators]
    aggregators = [(use.component.full_name, use.build()) for use in recipe.aggregators]
    evaluation = evaluate_folds(
        _with_covariates(predictions, evaluators, plan), evaluators, seed=recipe.seed, aggregators=aggregators
    )
    write_metrics(evaluation, path / "metrics.json", stamp=stamp)
    write_curves(evaluation, path / "curves.json", stamp=stamp)
    add_checksums(path, RESULTS)  # plugins read them
    selected_epochs = [
        SelectedEpochRow(
            result.number, result.selected.epoch, len(result.history), recipe.train.keep, result.selected.note
        )
        for result in results
    ]
    plots = write_plots(
        path / "plots",
        evaluation,
        history,
        selected={row.fold: row.epoch for row in selected_epochs},
        positive=recipe.target.positive,
        stamp=stamp,
    )
    sections = [*_own_sections(run, results, predictions, controls), *callbacks.sections()]
    if sections:
        _write_json([{"title": section.title, "text": section.text} for section in sections], path / SECTIONS)
    notes = [
        *extension_notes(lock),
        *_weights_warnings(lock, results),
        *plan.dataset.cohort.warnings,
        *plan.warnings,
        *preparation_warnings(plan.dataset),
        *(f"unreadable: {failure.case_id}: {failure.reason}" for failure in plan.dataset.preparation.failures),
        *_stopped(results),
        *_scored_again(results),
        *callbacks.problems,
    ]
    _write_json(notes, path / NOTES)
    summary = RunSummary(
        name=recipe.name,
        evaluation=evaluation,
        predictions=predictions,
        division=division_of(lock),
        selected_epochs=selected_epochs,
        facts={"score": score, **_facts(lock, history), "starting weights": _weights_fact(lock, results)},
        notes=notes,
        plots=plots,
        sections=sections,
        stamp=stamp,
        pretrained=lock.pretrained_stamp,
        tried=tried_configurations(runs_folder(run), lock.content["data"]["fingerprint"]),
        rerun=_rerun(path / LOCK, lock),
    )
    write_summary(path / SUMMARY, summary)
    figures = [str(plot.relative_to(path)) for plot in plots]
    folds = [str((run.fold(result.number) / CHECKSUMS).relative_to(path)) for result in results]
    add_checksums(path, [NOTES, SECTIONS, CONTROLS, REFERENCE, *figures, *folds, SUMMARY])


def unseal(run: Run) -> None:
    """Forget the checksums of all results, which makes the run unfinished."""
    write_checksums(run.path, {name: value for name, value in read_checksums(run.path).items() if name == LOCK})
    for name in (CONTROLS, SECTIONS):
        (run.path / name).unlink(missing_ok=True)


def _stopped(results: Sequence[FoldResult]) -> Iterator[str]:
    """Say which folds a callback has stopped, and why."""
    from echokit.training.phases import stopped_by

    for result in results:
        if reason := stopped_by(result.history):
            yield f"Fold {result.number} was stopped after epoch {len(result.history)} by the callback {reason}."


def _scored_again(results: Sequence[FoldResult]) -> list[str]:
    """Say how many folds were scored again, and why."""
    why = [f"fold {result.number}: {result.scored_again}" for result in results if result.scored_again]
    return [f"The saved scores of {len(why)} of {len(results)} folds were not used: {'; '.join(why)}."] if why else []


def _write_json(content: object, path: Path) -> None:
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _own_sections(
    run: Run, results: Sequence[FoldResult], predictions: Predictions, controls: Controls | None
) -> list[Section]:
    """Report the controls and the selected configurations; write ``controls.json``."""
    from echokit.results.summary.control_section import choice_section, control_section

    sections = []
    if controls is not None:
        stamp = run.lock.stamp
        content = {**({"data": stamp} if stamp else {}), **controls.to_dict()}
        _write_json(content, run.path / CONTROLS)
        test = controls.permutation
        sections.append(
            control_section(
                _auroc_within_folds(predictions, run.lock.recipe.seed),
                [(one.name, one.description, one.auroc) for one in controls.controls],
                permuted=(test.observed, test.null, test.p, test.repeats) if test else None,
            )
        )
    choices = [result.choice for result in results if result.choice is not None]
    if choices:
        candidates = [str(one) for one in choices[0].candidates]
        chosen = [str(one.configuration) for one in choices]
        sections.append(choice_section(chosen, candidates, choices[0].n_inner_folds))
    return sections


def _auroc_within_folds(predictions: Predictions, seed: int) -> Metric | None:
    """Compute what the controls are compared with, whatever the recipe evaluates."""
    from echokit.evaluation.evaluate_folds import evaluate_folds
    from echokit.evaluation.metrics.auroc import Auroc

    rows = evaluate_folds(predictions, [("auroc", Auroc())], seed=seed, splits=("test",)).metrics
    return next((row for row in rows if row.metric == "auroc_within_fold"), None)


def _with_covariates(predictions: Predictions, evaluators: Sequence[tuple[str, Any]], plan: FoldPlan) -> Predictions:
    """Add the columns of the cohort that evaluators group by."""
    names = list(dict.fromkeys(name for _, one in evaluators for name in getattr(one, "covariates", ())))
    if not names:
        return predictions
    cohort = plan.dataset.cases.drop_duplicates("case_id").set_index("case_id")
    cases = predictions.table["case_id"]
    columns = {name: cases.map(cohort[name]) for name in names if name in cohort.columns}
    return replace(predictions, table=predictions.table.assign(**columns))


def join_folds(results: Sequence[FoldResult], target: TargetSettings) -> tuple[Predictions, str]:
    """Join the folds; scores become probabilities if every fold has a calibration.

    Returns:
        The predictions, whose table names a score that is not a probability in the columns ``score_is`` and
        ``threshold``; and a description of the score.
    """
    import pandas as pd

    from echokit.evaluation.predictions import Predictions

    tables = [result.table for result in results]
    calibrations = all_or_none([result.calibration for result in results])
    description = f"probability of {target.definition}"
    if calibrations is not None:
        tables = [
            table.assign(y_score=calibration(table["y_score"].to_numpy()))
            for table, calibration in zip(tables, calibrations, strict=True)
        ]
        joined = Predictions(pd.concat(tables, ignore_index=True), target.positive)
        return joined, f"{description}: " + "; ".join(dict.fromkeys(one.definition for one in calibrations))
    threshold = results[0].threshold
    reasons = dict.fromkeys(r.calibration.reason for r in results if isinstance(r.calibration, Uncalibrated))
    why = f" (not calibrated: {'; '.join(reasons)})" if reasons else ""
    if all(result.probability for result in results):
        return Predictions(pd.concat(tables, ignore_index=True), target.positive, threshold), description + why
    table = pd.concat(tables, ignore_index=True).assign(score_is=NO_PROBABILITY, threshold=threshold)
    return (
        Predictions(table, target.positive, threshold, probability=False),
        f"{NO_PROBABILITY}{why}; {target.positive} from {threshold:g} on",
    )


def write_history(history: Sequence[Mapping[str, Any]], path: Path, stamp: str | None) -> None:
    """Write one JSON object for each epoch."""
    extra = {"data": stamp} if stamp else {}
    lines = [json.dumps({**record, **extra}, sort_keys=True, allow_nan=False) + "\n" for record in history]
    write_text(path, "".join(lines))


def _rerun(path: Path, lock: Lock) -> str | None:
    """Return the command that repeats a run with plugins of single files.

    None for the usual one.
    """
    content = lock.content
    parts = (*content["components"], *content.get("hooks", ()))
    files = dict.fromkeys(str(part["plugin_file"]) for part in parts if "plugin_file" in part)
    given = [word for file in files for word in ("--plugin", file)]
    return shlex.join(["echokit", "run", path.as_posix(), *given]) if given else None


def _facts(lock: Lock, history: Sequence[Mapping[str, Any]]) -> dict[str, str | int | float]:
    from echokit.results.summary.training_summary import training_in_words

    data, compute = lock.content["data"], lock.content["compute"]
    recipe = lock.recipe
    chain = " -> ".join(f"{use.name}{_settings(use.params)}" for use in recipe.preprocess)
    return {
        "positive class": recipe.target.definition,
        "data": f"{data['name']}, {data['cases']:,} cases used, {data['unreadable']:,} unreadable",
        "data fingerprint": data["fingerprint"],
        "preprocessing": chain or "none",
        "model": f"{recipe.fusion.name} of {recipe.backbone.name}",
        "training": training_in_words(recipe.train, history),
        "computed": f"{compute['device']}, {compute['precision']} ({compute['why']}), {compute['threads']} threads",
        "seed": recipe.seed,
        "recipe hash": lock.recipe_hash,
        "echokit": lock.content["echokit"],
    }


def _weights_fact(lock: Lock, results: Sequence[FoldResult]) -> str:
    weights, report = lock.content.get("weights"), results[0].weights
    if weights is None or report is None:
        return "none: training started from random weights"
    return f"{weights['source']} ({weights['content'][:12]}): {report.headline}"


def _weights_warnings(lock: Lock, results: Sequence[FoldResult]) -> list[str]:
    weights, report, stamp = lock.content.get("weights"), results[0].weights, lock.pretrained_stamp
    if weights is None:
        return []
    lines = [f"**{stamp}.**"] if stamp else []
    if report is not None and report.warning:
        lines.append(f"WARNING: {report.warning}.")
    if not weights["patients_known"]:
        lines.append(
            f"The patients that the weights of {weights['asked']} were trained on are not known, so an overlap with "
            "the test set could not be checked."
        )
    for what in ("preprocess", "clip"):
        now = lock.recipe.to_dict()[what]
        if what in weights and weights[what] != now:
            lines.append(f"The weights were trained with another `{what}`: {weights[what]}, here {now}.")
    return lines


def _settings(params: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in params.items())})" if params else ""
