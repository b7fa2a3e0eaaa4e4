"""The data of a recipe: its cohort with classes, its prepared clips, and what is to be said of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from echokit.cohort.absent import AbsentError
from echokit.cohort.cohort import SPLITS, Cohort
from echokit.cohort.exclusions import exclude
from echokit.cohort.target import on_both_sides, targets_of
from echokit.errors import DataError
from echokit.fingerprint import digest
from echokit.fold import Material
from echokit.objectives.objective import Targets
from echokit.progress import display
from echokit.recipe.check import with_fallback
from echokit.recipe.recipe import Recipe
from echokit.sampling.windows import Windows
from echokit.stamp import STAMP
from echokit.store import ClipStore, Preparation, steps_of
from echokit.workspace import workspace


@dataclass(frozen=True)
class Data:
    """A recipe with its data.

    Attributes:
        recipe: As it runs: on its fallback where the dataset is absent.
        cohort: Its cases.
        targets: What is to be learned, a row a case.
    """

    recipe: Recipe
    cohort: Cohort
    targets: Targets


def read_data(recipe: Recipe) -> Data:
    """Recipe -> Cohort, with its classes. A dataset that is absent gives way to the recipe's fallback, and it is said.

    Raises:
        DataError: The dataset is absent and there is no fallback, or the user named it by an environment variable or
            by ``--set``, or it can not be used.
    """
    try:
        cohort: Cohort = recipe.data.build()()
    except AbsentError as absent:
        if recipe.fallback is None:
            raise
        _refuse_a_wrong_name(recipe, absent)
        recipe = with_fallback(recipe)
        cohort = recipe.data.build()()
        display().say(f"{absent.message}; the recipe's fallback takes its place")
    if cohort.phantom:
        display().say(f"{STAMP}: synthetic hearts, no patient; every output of this run says so")
    if recipe.exclude is not None:
        cohort = exclude(cohort, Path(recipe.exclude))
    targets = targets_of(cohort, recipe.target)
    torn = on_both_sides(cohort, targets)
    if torn:
        said = (
            f"{torn} patients have cases of both classes ({recipe.target.definition}), as at different times: in "
            "metrics each of them counts once in each class"
        )
        cohort = replace(cohort, warnings=(*cohort.warnings, said))
    return Data(recipe, replace(cohort, cases=cohort.cases.assign(y_true=targets.y_true)), targets)


def _refuse_a_wrong_name(recipe: Recipe, absent: AbsentError) -> None:
    """Who says where the data are wants these data: a slip of the pen must not train on others for a night."""
    place = recipe.tree.at(tuple(absent.where.split("."))) if absent.where else recipe.tree
    said = place.origin.variable or (place.origin.file if place.origin.file.startswith("--set ") else None)
    if said and isinstance(place.value, str):
        hint = f"{said} names it: correct it, or leave it away to run on the recipe's fallback"
        raise DataError(absent.message, hint=hint, where=absent.where) from None


def prepare(data: Data, *, verify: bool = False) -> Preparation:
    """Cohort -> ClipStore: decode and preprocess every video that is not in the store yet.

    Args:
        data: The cohort, and the recipe with its steps.
        verify: Read every clip through that is there already.

    Raises:
        DataError: More than the recipe's ``data.max_unreadable`` of the videos can not be used.
    """
    sources = [
        (str(case), Path(source))
        for case, source in zip(data.cohort.cases["case_id"], data.cohort.cases["source"], strict=True)
    ]
    preparation = ClipStore(workspace() / "store").prepare(sources, steps_of(data.recipe.preprocess), verify=verify)
    if preparation.damaged:
        display().say(_changed(preparation.damaged))
    failures = preparation.failures
    places = data.cohort.places
    said = [f"{one.case_id}{f' ({places[one.case_id]})' if one.case_id in places else ''}" for one in failures]
    for name, failure in list(zip(said, failures, strict=True))[:10]:
        display().say(f"unreadable: {name}: {failure.reason}")
    share = len(failures) / len(sources)
    if share > data.recipe.max_unreadable:
        raise DataError(
            f"{len(failures)} of {len(sources)} videos can not be used, more than data.max_unreadable "
            f"({data.recipe.max_unreadable:.0%}): {said[0]}: {failures[0].reason}",
            hint="mend or exclude them (data.exclude), or allow more",
            where="data",
        )
    return preparation


def material_of(data: Data, preparation: Preparation) -> Material:
    """The cases whose videos could be prepared, with their clips and what is to be learned."""
    rows = preparation.rows
    targets = replace(data.targets, y_true=data.targets.y_true[rows], value=data.targets.value[rows])
    return Material(data.cohort.cases.iloc[rows].reset_index(drop=True), preparation.clips, targets)


def facts_of(data: Data, preparation: Preparation, material: Material) -> dict[str, Any]:
    """What a lock says of the data; the fingerprint is over cases, splits, contents of videos and targets."""
    cases = material.cases
    rows = zip(cases["case_id"], cases["split"], preparation.contents, material.targets.value, strict=True)
    fingerprint = digest([[str(case), str(split), content, repr(float(value))] for case, split, content, value in rows])
    splits = {
        split: {"cases": int(chosen.sum()), "positive": int(cases["y_true"][chosen].sum())}
        for split in SPLITS
        if (chosen := (cases["split"] == split)).any()
    }
    return {
        "name": data.cohort.name,
        "phantom": data.cohort.phantom,
        "fingerprint": fingerprint,
        "cases": len(cases),
        "excluded": data.cohort.excluded,
        "unreadable": len(preparation.failures),
        "splits": splits,
    }


def padded(recipe: Recipe, material: Material) -> list[str]:
    """Say how many videos are too short for what the recipe cuts of each."""
    lengths = material.clips.lengths
    windows: Windows = recipe.clip.build()(lengths, "test", 0, recipe.seed)
    count, frames = windows.padded(), windows.frames.shape[1]
    if not count:
        return []
    return [
        f"{count} of {len(lengths)} videos are too short for a clip of {frames} frames: blank frames were added to them"
    ]


def counted(preparation: Preparation) -> list[str]:
    """Say what was noted while the videos were prepared, and of how many."""
    changed = [_changed(preparation.changed)] if preparation.changed else []
    notes = sorted(preparation.notes().items(), key=lambda n: (-n[1], n[0]))
    return [*changed, *(f"{count} videos: {note}" for note, count in notes)]


def _changed(count: int) -> str:
    return f"{count} prepared clips had changed since they were written (a failing disk?) and were made anew"
