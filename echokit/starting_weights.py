"""Starting weights: what ``model.weights`` of a recipe names, found, read, and put into a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.errors import DataError, EchokitError
from echokit.models.norm import Norm
from echokit.models.settings import RUN, WeightSettings
from echokit.models.shape import InputShape
from echokit.run_directory import Run, find_finished
from echokit.stamp import PRETRAINED_STAMP

if TYPE_CHECKING:
    from torch import Tensor

    from echokit.models.echo_model import EchoModel
    from echokit.models.transfer import WeightReport
    from echokit.recipe.recipe import Use


class NoRunError(EchokitError):
    """The run whose weights are asked for has not been made."""


@dataclass(frozen=True)
class StartingWeights:
    """Weights to start from.

    Attributes:
        settings: As the recipe says; a run is named with its stamp and fold, so that a lock means the same for ever.
        asked: As the recipe named them.
        tensors: Named as in their file.
        content: Hash of the tensors.
        metadata: What the file says of itself: normalisation, clips, target, recipe hash; empty where it is foreign.
        trained_on: Patients that the weights have seen, in training or in choosing an epoch; None where not known.
    """

    settings: WeightSettings
    asked: str
    tensors: Mapping[str, Tensor]
    content: str
    metadata: Mapping[str, Any]
    trained_on: frozenset[str] | None

    @property
    def phantom(self) -> bool:
        """Whether synthetic hearts have shaped them, now or in the weights that they started from."""
        before = self.metadata.get("weights")
        return bool(self.metadata.get("phantom") or (isinstance(before, Mapping) and before.get("phantom")))

    def facts(self) -> dict[str, Any]:
        """What a lock says of them."""
        facts: dict[str, Any] = {"asked": self.asked, "source": self.settings.use, "content": self.content}
        for key in ("recipe_hash", "fold", "target", "positive", "clip", "preprocess"):
            if key in self.metadata:
                facts[key] = self.metadata[key]
        facts["patients_known"] = self.trained_on is not None
        facts["phantom"] = self.phantom
        if self.phantom:
            facts["stamp"] = PRETRAINED_STAMP
        return facts

    def norms(self, shapes: Mapping[str, InputShape], fitted: Mapping[str, Norm]) -> dict[str, Norm]:
        """What normalises each stream: what the weights carry, where that is kept, else what was fitted here."""
        carried = self.metadata.get("norms") if self.settings.norm == "keep" else None
        norms = dict(fitted)
        for name, norm in (carried if isinstance(carried, Mapping) else {}).items():
            if name in shapes and shapes[name].channels == len(norm["mean"]):
                norms[name] = Norm(tuple(norm["mean"]), tuple(norm["std"]))
        return norms

    def put_into(self, model: EchoModel) -> WeightReport:
        """Let a model start from these weights.

        Raises:
            EchokitError: Nothing fits, or the head is to be kept and can not be.
        """
        from echokit.models.transfer import HEAD, apply_weights, renamed

        keep = self.settings.head == "keep"
        leave = {} if keep else {HEAD: "the head starts anew (model.weights.head: keep loads it)"}
        if self.settings.norm == "new":
            why = "the clips are normalised by this run's training part (model.weights.norm: new)"
            leave |= {f"{name}_{part}": why for name in model.streams for part in ("mean", "std")}
        report = apply_weights(model, renamed(model, self.tensors, head=keep), leave)
        if keep and HEAD + "weight" not in report.loaded:
            raise EchokitError(
                f"{self.settings.use} has no head for this model, which has {model.head.out_features} outputs",
                hint="write head: new, or the objective that the weights were trained with",
                where="model.weights.head",
            )
        return report

    def require_apart(self, test_patients: Iterable[object]) -> None:
        """Refuse weights that have seen patients of the test part.

        Raises:
            DataError: They have.
        """
        seen = sorted(set(self.trained_on or ()) & {str(patient) for patient in test_patients})
        if seen:
            raise DataError(
                f"{len(seen)} patients of the test part were seen by the weights of {self.settings.use}, for "
                f"example {seen[0]!r}: the test would flatter them",
                hint="divide both runs in the same way, or start from weights of other patients",
                where="model.weights",
            )


def find_weights(settings: WeightSettings, backbone: Use, out: Path) -> StartingWeights:
    """Find and read what a recipe names.

    Args:
        settings: ``model.weights``.
        backbone: The recipe's; a tag is one of its library.
        out: Where runs are.

    Raises:
        NoRunError: The run has not been made.
        EchokitError: The run is not finished or has several folds, the file is not there or damaged, the tag is unknown
            or can not be downloaded.
    """
    from echokit.models.weights import digest_tensors, read_weights

    trained_on: frozenset[str] | None = None
    pinned = settings
    metadata: Mapping[str, Any]
    if settings.kind == "run":
        run, fold = _run_and_fold(settings, out)
        tensors, metadata = read_weights(_checkpoint(run, fold))
        if metadata.get("backbone_hash"):
            raise EchokitError(
                f"the run {settings.run!r} trained a head on a frozen backbone and keeps the head alone",
                hint="start from the weights that it started from",
                where="model.weights",
            )
        trained_on = _patients_seen(run, fold)
        pinned = settings.model_copy(update={"use": f"{RUN}{_name(run, out)}#fold-{fold}"})
    elif settings.kind == "file":
        tensors, metadata = read_weights(Path(settings.use).expanduser())
    else:
        tensors, metadata = backbone.build().pretrained(settings.use), {}
    return StartingWeights(pinned, settings.use, tensors, digest_tensors(tensors), metadata, trained_on)


def find_weights_run(settings: WeightSettings, out: Path) -> Run:
    """The run that a recipe starts from: a directory, or the newest of a name.

    Raises:
        NoRunError: It has not been made.
    """
    try:
        return find_finished(settings.run, out)
    except EchokitError as error:
        if "/" in settings.run or settings.run.startswith((".", "~")):
            raise NoRunError(error.message, hint=error.hint, where="model.weights") from None
        elsewhere = "" if out == Path("runs") else f" --out {out}"
        raise NoRunError(
            f"the weights are those of the run {settings.run!r}, which has not been made under {out}",
            hint=f"make it with `echokit run {settings.run}{elsewhere}`, or let `--with-dependencies` do so first",
            where="model.weights",
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
        )
    if chosen is not None and chosen not in folds:
        raise EchokitError(
            f"the run {settings.run!r} has no fold {chosen}",
            hint=f"it has {', '.join(f'fold-{fold}' for fold in folds) or 'none yet'}",
            where="model.weights",
        )
    if not folds or not (run.complete or (chosen is not None and _finished(run.fold(chosen)))):
        raise EchokitError(
            f"the run of {settings.run!r} in {run.path} has not finished",
            hint="`echokit run ... --resume` goes on with it; an older one is chosen with run:NAME/STAMP",
            where="model.weights",
        )
    return run, folds[0] if chosen is None else chosen


def _checkpoint(run: Run, fold: int) -> Path:
    from echokit.training.checkpoint import MODEL, find_checkpoint

    best = find_checkpoint(run.fold(fold), "best")
    if best is None:
        raise EchokitError("there are no trained weights", where=str(run.fold(fold)))
    return best / MODEL


def _finished(fold: Path) -> bool:
    from echokit.training.checkpoint import find_checkpoint

    return find_checkpoint(fold, "best") is not None and find_checkpoint(fold, "last") is None


def _name(run: Run, out: Path) -> str:
    path, out = run.path.resolve(), out.resolve()
    return str(path.relative_to(out) if path.is_relative_to(out) else path)


def _patients_seen(run: Run, fold: int) -> frozenset[str] | None:
    if not (run.path / "predictions.csv").is_file():
        return None
    table = run.predictions
    return frozenset(table["patient_id"][(table["fold"] == fold) & (table["split"] != "test")].astype(str))
