"""The data stages of a run: recipe -> labelled cohort -> prepared cohort."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from echokit.data.clips.clip_store import ClipStore, Failure, VideoSource, steps_of
from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.exclusions import exclude
from echokit.data.cohort.is_phantom import is_phantom
from echokit.data.cohort.missing_dataset import AbsentError, NotCreatedError
from echokit.data.cohort.target import count_mixed_patients, target_in, targets_of
from echokit.errors import DataError, did_you_mean
from echokit.pipeline.prepared_cohort import LabelledCohort, PreparedCohort
from echokit.recipe.fallback import changed_settings, describe_changes
from echokit.recipe.recipe import Recipe
from echokit.recipe.validate import with_fallback
from echokit.system.cache_folder import VARIABLE, cache_folder_path
from echokit.system.phantom_mark import STAMP
from echokit.system.progress import display
from echokit.system.terminal_text import on_terminal


def load_cohort(recipe: Recipe, *, create: bool = True) -> LabelledCohort:
    """Read and label the cohort of a recipe, or that of its fallback.

    Args:
        recipe: The recipe.
        create: Whether synthetic data may be created.

    Raises:
        NotCreatedError: They would have to be created, and may not.
        DataError: The dataset is unusable; or it is missing, and there is no fallback or the user named its place.
    """
    changed: dict[str, dict[str, Any]] = {}
    try:
        cohort = _read(recipe, create)
    except AbsentError as missing:
        if recipe.fallback is None:
            raise
        _refuse_named_dataset(recipe, missing)
        asked, recipe = recipe, with_fallback(recipe)
        cohort = _read(recipe, create)
        display().show_message(f"{missing.message}; the recipe's fallback takes its place")
        changed = changed_settings(asked, recipe)
        for line in describe_changes(changed):
            display().show_message(f"note: {line}")
    if cohort.phantom:
        display().show_message(f"{STAMP}: synthetic hearts, no patient; every output of this run says so")
    if recipe.exclude is not None:
        cohort = exclude(cohort, Path(recipe.exclude))
    recipe = replace(recipe, target=target_in(cohort, recipe.target))
    targets = targets_of(cohort, recipe.target)
    if mixed := count_mixed_patients(cohort, targets):
        warning = (
            f"{mixed} patients have cases of both classes ({recipe.target.definition}), for example at different "
            "times: in metrics each of them counts once in each class"
        )
        cohort = replace(cohort, warnings=(*cohort.warnings, warning))
    for warning in cohort.warnings:
        display().show_message(f"note: {warning}")
    cohort = replace(cohort, cases=cohort.cases.assign(y_true=targets.y_true))
    return LabelledCohort(recipe, cohort, targets, changed=changed)


def _read(recipe: Recipe, create: bool) -> Cohort:
    dataset = recipe.data.build()
    if not create and not getattr(dataset, "exists", lambda: True)():
        raise NotCreatedError("the run creates its phantom hearts first", where="data", code="phantom.not_created")
    return read_cohort(dataset)


def read_cohort(dataset: Callable[[], Cohort]) -> Cohort:
    """Read a cohort; it is a phantom if one of its videos has the mark."""
    cohort = dataset()
    return replace(cohort, phantom=is_phantom(cohort))


def _refuse_named_dataset(recipe: Recipe, missing: AbsentError) -> None:
    """Refuse the fallback if the user named the dataset.

    A typing mistake must not train on other data.
    """
    node = recipe.tree.at(tuple(missing.where.split("."))) if missing.where else recipe.tree
    source = node.origin.variable or (node.origin.file if node.origin.file.startswith("--set ") else None)
    if source and isinstance(node.value, str):
        hint = f"{source} names it: correct it, or remove it to run on the recipe's fallback"
        raise DataError(missing.message, hint=hint, where=missing.where, code=missing.code) from None


def prepare_clips(labelled: LabelledCohort, *, verify: bool = False) -> PreparedCohort:
    """Decode and preprocess every video that is not in the clip store yet.

    Args:
        labelled: The cohort and its recipe.
        verify: Read every stored clip and check it.

    Raises:
        DataError: More videos than ``data.max_unreadable`` allows cannot be used.
    """
    recipe, cases, steps = labelled.recipe, labelled.cohort.cases, steps_of(labelled.recipe.preprocess)
    known = known_of_cases(labelled, [column for step in steps for column in step.columns])
    sources = list(map(VideoSource, cases["case_id"].astype(str), map(Path, cases["source"]), known))
    cache = cache_folder_path()
    display().show_message(f"cache: {cache} ({VARIABLE} names another folder)")
    preparation = ClipStore(cache / "store").prepare(sources, steps, verify=verify)
    if preparation.damaged:
        display().show_message(_changed(preparation.damaged))
    _check_failures(labelled, preparation.failures)
    rows, targets = preparation.rows, labelled.targets
    return PreparedCohort(
        recipe,
        replace(labelled.cohort, cases=cases.iloc[rows].reset_index(drop=True)),
        replace(targets, y_true=targets.y_true[rows], value=targets.value[rows]),
        preparation,
        changed=labelled.changed,
    )


DERIVED = {"ef": ("esv", "edv")}
"""Columns from which an outcome follows."""


def known_of_cases(labelled: LabelledCohort, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the preprocessors may know of each case, by column.

    Raises:
        DataError: The cohort has no such column, or it would reveal the outcome.
    """
    cases = labelled.cohort.cases
    others = set(map(str, cases))
    outcome = labelled.recipe.target.source
    hidden = {"y_true", "split", "source", "case_id", "patient_id", outcome, *DERIVED.get(outcome, ())}
    for column in dict.fromkeys(columns):
        if column in hidden:
            raise DataError(
                f"a preprocessor asks for the column {column!r}, which no preprocessor may see",
                hint="it must work on a new patient, whose outcome is not known",
                where="preprocess",
                code="preprocess.outcome_column",
            )
        if column not in others:
            raise DataError(
                f"a preprocessor asks for the column {column!r}, and {labelled.cohort.name} has none",
                hint=did_you_mean(column, others - hidden) or f"its columns are {', '.join(sorted(others - hidden))}",
                where="preprocess",
                code="preprocess.missing_column",
            )
    table = cases[list(dict.fromkeys(columns))].astype(object)
    return [
        {str(name): value for name, value in row.items()} for row in table.where(table.notna(), None).to_dict("records")
    ]


def _check_failures(labelled: LabelledCohort, failures: tuple[Failure, ...]) -> None:
    """List the first unusable videos; refuse the cohort if there are too many."""
    names, n = [place_of(labelled.cohort, one.case_id) for one in failures], len(labelled.cohort)
    for name, failure in list(zip(names, failures, strict=True))[:10]:
        display().show_message(f"unreadable: {name}: {failure.reason}")
    allowed = labelled.recipe.max_unreadable
    if len(failures) / n > allowed:
        raise DataError(
            f"{len(failures)} of {n} videos cannot be used, more than data.max_unreadable ({allowed:.0%}): "
            f"{names[0]}: {failures[0].reason}",
            hint="fix or exclude them (data.exclude), or allow more",
            where="data",
            code="data.too_many_unreadable",
        )


def place_of(cohort: Cohort, case_id: str) -> str:
    """Name a case with its row and, on a terminal, its video; for no file of a run."""
    found = [cohort.places[case_id]] if case_id in cohort.places else []
    if on_terminal():
        found += cohort.cases["source"][cohort.cases["case_id"] == case_id].astype(str).tolist()
    return f"{case_id} ({', '.join(found)})" if found else case_id


def preparation_warnings(dataset: PreparedCohort) -> list[str]:
    """Describe short videos, changed clips and notes, each with its count."""
    preparation = dataset.preparation
    changed = [_changed(preparation.changed)] if preparation.changed else []
    notes = sorted(preparation.notes().items(), key=lambda n: (-n[1], n[0]))
    return [*changed, *(f"{count} videos: {note}" for note, count in notes)]


def padding_warnings(dataset: PreparedCohort) -> list[str]:
    """Describe how many videos are shorter than a window of the recipe."""
    lengths, windows = dataset.clips.lengths, dataset.windows("test")
    count, frames = windows.padded(), windows.frames.shape[1]
    if not count:
        return []
    return [
        f"{count} of {len(lengths)} videos are too short for a clip of {frames} frames: blank frames were added to them"
    ]


def _changed(count: int) -> str:
    return f"{count} prepared clips had changed since they were written (a failing disk?) and were prepared again"
