"""Predictions -> Evaluation -> report: the files of a finished run."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.cohort.target import TargetSettings
from echokit.evaluate.predictions import NO_PROBABILITY
from echokit.fold import FoldResult
from echokit.lock import Lock
from echokit.objectives.calibration import Uncalibrated, all_or_none
from echokit.run_hooks import RunHooks

if TYPE_CHECKING:
    import pandas as pd

    from echokit.controls import Controls
    from echokit.evaluate.evaluation import Evaluation
    from echokit.evaluate.predictions import Predictions
    from echokit.hooks import Section


SECTIONS = "sections.json"
"""What plugins and controls add to the report, for ``report.html``."""


def write_results(
    path: Path,
    lock: Lock,
    results: Sequence[FoldResult],
    *,
    warnings: Sequence[str],
    failures: Sequence[tuple[str, str]],
    hooks: RunHooks,
    controls: Controls | None = None,
) -> None:
    """Evaluate the folds together and write what a reader opens; ``summary.md`` comes last and marks the run complete.

    Args:
        path: The run directory.
        lock: Of the run.
        results: One a fold.
        warnings: About the data, in words.
        failures: (case_id, reason) of each video that could not be used.
        hooks: Asked for the sections of plugins once the predictions and metrics are there.
        controls: What the result has to beat.

    Raises:
        DataError: The predictions can not be evaluated.
    """
    from echokit.evaluate.assessment import assess
    from echokit.evaluate.files import write_curves, write_metrics
    from echokit.report.plots import write_plots
    from echokit.report.summary import KeptEpoch, write_summary

    recipe, stamp = lock.recipe, lock.stamp
    predictions, score = scored(results, recipe.target)
    table = predictions.table
    write_table(table, path / "predictions.csv", stamp)
    history = [record for result in results for record in result.history]
    write_history(history, path / "history.jsonl", stamp)
    evaluators = [(use.name, use.build()) for use in recipe.evaluate]
    evaluation = assess(_with_covariates(predictions, evaluators, path), evaluators, seed=recipe.seed)
    write_metrics(evaluation, path / "metrics.json", stamp=stamp)
    write_curves(evaluation, path / "curves.json", stamp=stamp)
    kept = [
        KeptEpoch(
            int(result.table["fold"].iloc[0]),
            result.kept.epoch,
            len(result.history),
            recipe.train.keep,
            result.kept.note,
        )
        for result in results
    ]
    plots = write_plots(
        path / "plots",
        evaluation,
        history,
        kept={epoch.fold: epoch.epoch for epoch in kept},
        positive=recipe.target.positive,
        stamp=stamp,
    )
    sections = [*_own_sections(path, results, evaluation, controls, stamp), *hooks.sections()]
    if sections:
        told = [{"title": section.title, "text": section.text} for section in sections]
        (path / SECTIONS).write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    write_summary(
        path / "summary.md",
        name=recipe.name,
        evaluation=evaluation,
        predictions=predictions,
        division=division_of(lock),
        kept=kept,
        facts={"score": score, **_facts(lock, history), "starting weights": _start(lock, results)},
        notes=[
            *_start_warnings(lock, results),
            *warnings,
            *(f"unreadable: {case_id}: {reason}" for case_id, reason in failures),
            *hooks.problems,
        ],
        plots=plots,
        sections=sections,
        stamp=stamp,
        pretrained=lock.pretrained_stamp,
        tried=tried_configurations(path.parent.parent, lock.content["data"]["fingerprint"]),
    )


def _own_sections(
    path: Path,
    results: Sequence[FoldResult],
    evaluation: Evaluation,
    controls: Controls | None,
    stamp: str | None,
) -> list[Section]:
    """Tell of the controls, which ``controls.json`` holds too, and of what folds chose."""
    from echokit.report.controls import choice_section, control_section

    sections = []
    if controls is not None:
        content = {**({"data": stamp} if stamp else {}), **controls.plain()}
        (path / "controls.json").write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        own = [m for m in evaluation.metrics if (m.metric, m.split) == ("auroc_within_fold", "test")]
        test = controls.permutation
        sections.append(
            control_section(
                own[0] if own else None,
                [(one.name, one.what, one.auroc) for one in controls.controls],
                permuted=(test.observed, test.null, test.p, test.repeats) if test else None,
            )
        )
    choices = [result.choice for result in results if result.choice is not None]
    if choices:
        tried = [str(one) for one in choices[0].tried]
        sections.append(choice_section([str(one.configuration) for one in choices], tried, choices[0].inner))
    return sections


def _with_covariates(predictions: Predictions, evaluators: Sequence[tuple[str, Any]], path: Path) -> Predictions:
    """Add the columns of ``cohort.csv`` that an evaluator makes subgroups by."""
    import pandas as pd

    wanted = list(dict.fromkeys(name for _, one in evaluators for name in getattr(one, "covariates", ())))
    if not wanted:
        return predictions
    cohort = pd.read_csv(path / "cohort.csv", dtype={"case_id": str}).drop_duplicates("case_id").set_index("case_id")
    cases = predictions.table["case_id"].astype(str)
    there = {name: cases.map(cohort[name]) for name in wanted if name in cohort.columns}
    return replace(predictions, table=predictions.table.assign(**there))


def tried_configurations(out: Path, fingerprint: str) -> int:
    """Count the different recipes whose runs in a folder rest on the same data, unfinished runs included."""
    hashes = set()
    for file in out.glob("*/*/lock.yaml"):
        text = "" if file.parent.is_symlink() else file.read_text(encoding="utf-8", errors="replace")
        of_data = re.search(r"^ +fingerprint: (\S+)", text, re.MULTILINE)
        if of_data and of_data[1].strip("'\"") == fingerprint:
            hashes.update(re.findall(r"^recipe_hash: (\S+)", text, re.MULTILINE))
    return max(1, len(hashes))


def scored(results: Sequence[FoldResult], target: TargetSettings) -> tuple[Predictions, str]:
    """Join the folds, turn their scores into probabilities where every fold has a calibration, and say what they are.

    Returns:
        The predictions; where the score is no probability, their table says so in the columns ``score_is`` and
        ``threshold``. What the score is, in words.
    """
    import pandas as pd

    from echokit.evaluate.predictions import Predictions

    tables = [result.table for result in results]
    calibrations = all_or_none([result.calibration for result in results])
    wanted = f"probability of {target.definition}"
    if calibrations is not None:
        tables = [
            table.assign(y_score=calibration(table["y_score"].to_numpy()))
            for table, calibration in zip(tables, calibrations, strict=True)
        ]
        joined = Predictions(pd.concat(tables, ignore_index=True), target.positive)
        return joined, f"{wanted}: " + "; ".join(dict.fromkeys(one.definition for one in calibrations))
    threshold = results[0].threshold
    reasons = dict.fromkeys(r.calibration.reason for r in results if isinstance(r.calibration, Uncalibrated))
    why = f" (not calibrated: {'; '.join(reasons)})" if reasons else ""
    if all(result.probability for result in results):
        return Predictions(pd.concat(tables, ignore_index=True), target.positive, threshold), wanted + why
    table = pd.concat(tables, ignore_index=True).assign(score_is=NO_PROBABILITY, threshold=threshold)
    return (
        Predictions(table, target.positive, threshold, probability=False),
        f"{NO_PROBABILITY}{why}; {target.positive} from {threshold:g} on",
    )


def write_table(table: pd.DataFrame, path: Path, stamp: str | None) -> None:
    """Write a table as CSV with every digit; a stamped one has the stamp in the column ``data``."""
    stamped = table.assign(data=stamp) if stamp else table
    stamped.to_csv(path, index=False, lineterminator="\n")


def write_history(history: Sequence[Mapping[str, Any]], path: Path, stamp: str | None) -> None:
    """Write one JSON object an epoch."""
    extra = {"data": stamp} if stamp else {}
    lines = [json.dumps({**record, **extra}, sort_keys=True, allow_nan=False) + "\n" for record in history]
    path.write_text("".join(lines), encoding="utf-8")


def division_of(lock: Lock) -> str:
    """How a run divided its data, in words."""
    resample = lock.recipe.resample
    if resample.name == "official":
        return f"By the splits that the dataset gives ({lock.content['data']['name']})."
    settings = ", ".join(f"{name} {value}" for name, value in resample.params.items())
    return f"By the resampler `{resample.name}` ({settings}), grouped by patient, seed {lock.recipe.seed}."


def _facts(lock: Lock, history: Sequence[Mapping[str, Any]]) -> dict[str, str | int | float]:
    from echokit.report.training_words import training_in_words

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


def _start(lock: Lock, results: Sequence[FoldResult]) -> str:
    weights, report = lock.content.get("weights"), results[0].weights
    if weights is None or report is None:
        return "none: everything was learned here"
    return f"{weights['source']} ({weights['content'][:12]}): {report.headline}"


def _start_warnings(lock: Lock, results: Sequence[FoldResult]) -> list[str]:
    weights, report, stamp = lock.content.get("weights"), results[0].weights, lock.pretrained_stamp
    if weights is None:
        return []
    lines = [f"**{stamp}.**"] if stamp else []
    if report is not None and report.warning:
        lines.append(f"WARNING: {report.warning}.")
    if not weights["patients_known"]:
        lines.append(
            f"Which patients the weights of {weights['asked']} have seen is not known, so that none of them is in the "
            "test part was not checked."
        )
    for what in ("preprocess", "clip"):
        now = lock.recipe.plain()[what]
        if what in weights and weights[what] != now:
            lines.append(f"The weights were trained with another `{what}`: {weights[what]}, here {now}.")
    return lines


def _settings(params: Mapping[str, Any]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in params.items())})" if params else ""
