"""Initial weights: find and read what ``model.weights`` of a recipe names, and load it into a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError
from echokit.models.input_shape import InputShape
from echokit.models.norm import Norm, read_norms
from echokit.models.weights.settings import RUN, WeightSettings
from echokit.pipeline.trained_folds import load_trained
from echokit.results.run import Run
from echokit.results.run_directories import find_finished
from echokit.system.phantom_mark import PRETRAINED_STAMP
from echokit.system.progress import display

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.models.echo_model import EchoModel
    from echokit.models.weights.transfer import WeightReport
    from echokit.pipeline.prepared_cohort import LabelledCohort
    from echokit.pipeline.session import RunRequest
    from echokit.plugins.component_config import ComponentConfig


class MissingRunError(EchokitError):
    """The run whose weights a recipe names does not exist yet."""


@dataclass(frozen=True)
class InitialWeights:
    """The weights that a model starts from.

    Attributes:
        settings: As in the recipe; a run is named with its stamp and fold, so that a lock stays exact.
        requested: As the recipe named them.
        tensors: Named as in their file.
        content: Hash of the tensors.
        metadata: Normalisation, clips, target and recipe hash from the file; empty for a file of other software.
        patients: Hashes of the patients used for training, or for selecting an epoch, of these weights and of all
            weights that they started from.
        patients_known: Whether there were no other patients.
    """

    settings: WeightSettings
    requested: str
    tensors: Mapping[str, Tensor]
    content: str
    metadata: Mapping[str, Any]
    patients: frozenset[str]
    patients_known: bool

    @property
    def phantom(self) -> bool:
        """Whether they descend from training on synthetic hearts."""
        before = self.metadata.get("weights")
        return bool(self.metadata.get("phantom") or (isinstance(before, Mapping) and before.get("phantom")))

    def facts(self) -> dict[str, Any]:
        """Describe them for a lock."""
        facts: dict[str, Any] = {"asked": self.requested, "source": self.settings.use, "content": self.content}
        for key in ("recipe_hash", "fold", "target", "positive", "clip", "preprocess"):
            if key in self.metadata:
                facts[key] = self.metadata[key]
        facts["patients_known"] = self.patients_known
        facts["phantom"] = self.phantom
        if self.phantom:
            facts["stamp"] = PRETRAINED_STAMP
        return facts

    def norms(self, shapes: Mapping[str, InputShape], fitted: Mapping[str, Norm]) -> dict[str, Norm]:
        """Choose each stream's norm: of the weights, or of the training set."""
        carried = self.metadata.get("norms") if self.settings.norm == "keep" else None
        known = read_norms(carried, self.settings.use) if isinstance(carried, Mapping) else {}
        channels = {name: shape.channels for name, shape in shapes.items()}
        fits = {name: norm for name, norm in known.items() if channels.get(name) == len(norm.mean)}
        return {**fitted, **fits}

    def load_into(self, model: EchoModel) -> WeightReport:
        """Load these weights into a model.

        Raises:
            EchokitError: No weight fits, or the head cannot be kept as requested.
        """
        from echokit.models.weights.transfer import HEAD, apply_weights, renamed

        keep = self.settings.head == "keep"
        leave = {} if keep else {HEAD: "the head starts from random weights (model.weights.head: keep loads it)"}
        if self.settings.norm == "new":
            why = "the clips are normalised by this run's training set (model.weights.norm: new)"
            leave |= {f"{name}_{part}": why for name in model.streams for part in ("mean", "std")}
        report = apply_weights(model, renamed(model, self.tensors, head=keep), leave)
        if keep and HEAD + "weight" not in report.loaded:
            raise EchokitError(
                f"{self.settings.use} has no head for this model, which has {model.head.out_features} outputs",
                hint="write head: new, or the objective that the weights were trained with",
                where="model.weights.head",
                code="weights.no_head",
            )
        return report

    def check_no_test_overlap(self, test_patients: Iterable[object]) -> None:
        """Refuse weights that were trained on patients of the test set.

        Raises:
            DataError: They have.
        """
        seen = sorted({str(patient) for patient in test_patients if hash_patient(patient) in self.patients})
        if seen:
            raise DataError(
                f"the weights of {self.settings.use} were trained on {len(seen)} patients of the test set, for example "
                f"{seen[0]!r}: test results would be too good",
                hint="split both runs in the same way, or start from weights of other patients",
                where="model.weights",
                code="weights.test_overlap",
            )


def hash_patient(patient: object) -> str:
    """Hash the identifier of a patient, which weights must not hold in clear."""
    return hashlib.blake2b(str(patient).encode(), digest_size=8).hexdigest()


def training_history(patients: Iterable[object], weights: InitialWeights | None) -> dict[str, Any]:
    """Describe the patients that a fold's weights and all their ancestors have seen.

    Args:
        patients: Of the training and validation sets.
        weights: What the fold starts from; None for random weights.
    """
    hashes = {hash_patient(patient) for patient in patients} | (weights.patients if weights else set())
    return {"patients": sorted(hashes), "known": weights is None or weights.patients_known}


def pin_initial_weights(labelled: LabelledCohort, request: RunRequest) -> tuple[LabelledCohort, InitialWeights | None]:
    """Find the initial weights and write their exact place into the recipe.

    A lock then always means the same weights.

    Raises:
        EchokitError: See `find_initial_weights`.
    """
    recipe = labelled.recipe
    settings = recipe.weights
    if settings is None:
        return labelled, None
    requested = settings.use
    before = (request.resume.lock.content.get("weights") or {}) if request.resume else {}
    if before.get("asked") == requested:  # a resumed run continues from the same run, even if there is a newer one
        settings = settings.model_copy(update={"use": before["source"]})
    weights = replace(find_initial_weights(settings, recipe.backbone, request.out), requested=requested)
    display().show_message(f"the model starts from {weights.settings.use} ({weights.content[:12]})")
    if weights.phantom:
        display().show_message(PRETRAINED_STAMP)
    return replace(labelled, recipe=replace(recipe, weights=weights.settings)), weights


def find_initial_weights(settings: WeightSettings, backbone: ComponentConfig, out: Path) -> InitialWeights:
    """Find and read the weights that a recipe names.

    Args:
        settings: ``model.weights``.
        backbone: The recipe's backbone; a tag belongs to its library.
        out: Folder of all run directories.

    Raises:
        MissingRunError: The run does not exist yet.
        EchokitError: The run is unfinished or has several folds; the file is missing or damaged; the tag is unknown or
            cannot be downloaded.
    """
    from echokit.models.weights.weight_files import digest_tensors, read_weights

    pinned = settings
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, Any]
    if settings.kind == "run":
        run, fold = _run_and_fold(settings, out)
        trained = load_trained(run, fold)
        tensors, metadata = trained.tensors, trained.facts
        if metadata.get("backbone_hash"):
            raise EchokitError(
                f"the run {settings.run!r} trained a head on a frozen backbone and saved only the head",
                hint="start from the weights that it started from",
                where="model.weights",
                code="weights.head_only",
            )
        pinned = settings.model_copy(update={"use": f"{RUN}{_name(run, out)}#fold-{fold}"})
    elif settings.kind == "file":
        tensors, metadata = read_weights(Path(settings.use).expanduser())
    else:
        tensors, metadata = backbone.build().pretrained(settings.use), {}
    history = metadata.get("history", {"patients": [], "known": False})
    return InitialWeights(
        pinned,
        settings.use,
        tensors,
        digest_tensors(tensors),
        metadata,
        frozenset(history["patients"]),
        bool(history["known"]),
    )


def find_weights_run(settings: WeightSettings, out: Path) -> Run:
    """Find the run to start from: a directory, or the newest of a name.

    Raises:
        MissingRunError: It does not exist yet.
    """
    try:
        return find_finished(settings.run, out)
    except EchokitError as error:
        if "/" in settings.run or settings.run.startswith((".", "~")):
            raise MissingRunError(
                error.message, hint=error.hint, where="model.weights", code="weights.no_run"
            ) from None
        elsewhere = "" if out == Path("runs") else f" --out {out}"
        raise MissingRunError(
            f"the recipe starts from the run {settings.run!r}, and there is none under {out}",
            hint=f"make it with `echokit run {settings.run}{elsewhere}`, or add `--with-dependencies`",
            where="model.weights",
            code="weights.no_run",
        ) from None


def _run_and_fold(settings: WeightSettings, out: Path) -> tuple[Run, int]:
    run = find_weights_run(settings, out)
    folds = sorted(
        int(folder.name.removeprefix("fold-")) for folder in run.path.glob("checkpoints/fold-*") if folder.is_dir()
    )
    chosen = settings.fold
    if chosen is None and len(folds) > 1:
        raise EchokitError(
            f"the run {settings.run!r} has {len(folds)} folds, and their weights differ",
            hint=f"choose one: run:{settings.run}#fold-{folds[0]}",
            where="model.weights",
            code="weights.several_folds",
        )
    if chosen is not None and chosen not in folds:
        raise EchokitError(
            f"the run {settings.run!r} has no fold {chosen}",
            hint=f"it has {', '.join(f'fold-{fold}' for fold in folds) or 'none yet'}",
            where="model.weights",
            code="weights.no_fold",
        )
    if not folds or not (run.complete or (chosen is not None and _finished(run.fold(chosen)))):
        raise EchokitError(
            f"the run of {settings.run!r} in {run.path} has not finished",
            hint="`echokit run ... --resume` continues it; run:NAME/STAMP chooses an older one",
            where="model.weights",
            code="run.unfinished",
        )
    return run, folds[0] if chosen is None else chosen


def _finished(fold: Path) -> bool:
    from echokit.training.checkpoints.checkpoint_files import find_checkpoint

    return find_checkpoint(fold, "best") is not None and find_checkpoint(fold, "last") is None


def _name(run: Run, out: Path) -> str:
    path, out = run.path.resolve(), out.resolve()
    return str(path.relative_to(out) if path.is_relative_to(out) else path)
