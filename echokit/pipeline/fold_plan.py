"""The plan of a run: everything that all folds share, computed once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from echokit.data.cohort.cohort import Fold
from echokit.pipeline.build_model import ModelSpec, model_spec
from echokit.pipeline.cohort_stage import padding_warnings
from echokit.pipeline.frozen_backbone import FrozenBackbone, shared_backbone
from echokit.pipeline.head_search import HeadSearch, head_search_for
from echokit.pipeline.initial_weights import InitialWeights
from echokit.pipeline.preflight import CheckedCohort, check_budget, check_controls, check_prepared, count_models
from echokit.pipeline.prepared_cohort import PreparedCohort
from echokit.pipeline.resume_run import resumed_lock
from echokit.pipeline.session import RunRequest, Session
from echokit.recipe.fallback import describe_changes
from echokit.recipe.recipe import Recipe
from echokit.results.lock import Lock, differences, machine_differences, make_lock

if TYPE_CHECKING:
    from echokit.training.hardware.device import Compute


@dataclass(frozen=True)
class FoldPlan:
    """What all folds of a run share.

    Attributes:
        dataset: Cases, targets and clips of the whole cohort.
        spec: Input shapes and outputs of the model.
        folds: All folds of the run.
        only_fold: Number of the one fold to train now; None to train all.
        compute: Device and precision.
        lock: The lock of the run.
        resume: Whether training continues from checkpoints.
        extends_now: Whether the run to resume gets more epochs than its lock has.
        weights: Initial weights; None to start from random ones.
        frozen: The backbone that all folds share, if no phase trains it.
        head_search: Selects a configuration inside each fold, or repeats training for controls.
        warnings: Messages about the lock, the data and the split.
    """

    dataset: PreparedCohort
    spec: ModelSpec
    folds: tuple[Fold, ...]
    only_fold: int | None
    compute: Compute
    lock: Lock
    resume: bool
    extends_now: bool
    weights: InitialWeights | None
    frozen: FrozenBackbone | None
    head_search: HeadSearch | None
    warnings: tuple[str, ...]

    @property
    def recipe(self) -> Recipe:
        """The recipe as it runs."""
        return self.dataset.recipe

    @property
    def selected(self) -> tuple[Fold, ...]:
        """The folds to train now."""
        return tuple(fold for fold in self.folds if self.only_fold in (None, fold.number))

    @property
    def scored_at_a_time(self) -> int:
        """Windows in a batch of the scoring."""
        return self.recipe.train.eval_batch_size or self.recipe.train.batch_size

    @property
    def shares_features(self) -> bool:
        """Whether several folds need the features of a frozen backbone."""
        return len(self.folds) > 1


def plan_folds(checked: CheckedCohort, dataset: PreparedCohort, session: Session) -> FoldPlan:
    """Plan all folds, after the checks that need prepared clips.

    Raises:
        EchokitError: The data differ from those of the lock, a recording is in two sets of a fold, or the recipe
            needs more than this machine or the backbone can do.
    """
    from echokit.training.hardware.device import Compute, choose_precision

    recipe, weights = dataset.recipe, checked.weights
    folds = dataset.draw_folds() if dataset.preparation.failures else checked.folds
    compute = Compute(session.device, choose_precision(session.device, recipe.train.precision))
    spec = model_spec(dataset)
    facts = {**_fallback_of(session.request.lock), **dataset.facts()}
    pretrained = weights.facts() if weights else None
    lock = make_lock(recipe, facts, _compute_facts(session, compute), pretrained, dataset.preparation.readers)
    smaller = describe_changes(facts.get("fallback", {}))
    if not dataset.changed:  # it is repeated from a lock; otherwise the cohort stage has said it
        session.warn(smaller)
    changes = _changes(session.request, lock)
    session.warn(changes)
    resume = session.request.resume
    extends_now = resume is not None and resume.lock.recipe_hash != lock.recipe_hash
    lock = resumed_lock(resume, lock) if resume is not None else lock
    copies = check_prepared(checked, dataset, spec, folds)
    padding = padding_warnings(dataset)
    session.warn(padding)
    models = count_models(recipe, len(folds))
    frozen = shared_backbone(dataset, spec, compute, weights) if len(folds) > 1 or models else None
    if models and frozen is None:
        check_budget(models, dataset, spec, folds[0], compute)
    check_controls(dataset, frozen, weights)
    return FoldPlan(
        dataset=dataset,
        spec=spec,
        folds=folds,
        only_fold=session.request.only_fold,
        compute=compute,
        lock=lock,
        resume=resume is not None,
        extends_now=extends_now,
        weights=weights,
        frozen=frozen,
        head_search=head_search_for(recipe, frozen, dataset.patients),
        warnings=(*smaller, *changes, *copies, *padding),
    )


def _fallback_of(lock: Lock | None) -> dict[str, Any]:
    """Take from a lock to repeat what a fallback had changed."""
    data = lock.content["data"] if lock else {}
    return {"fallback": data["fallback"]} if "fallback" in data else {}


def _changes(request: RunRequest, lock: Lock) -> tuple[str, ...]:
    """Describe what differs from the lock to repeat, or from the run to resume."""
    if request.lock is not None:
        return tuple(f"differs from the lock: {change}" for change in differences(request.lock, lock))
    if request.resume is not None:
        return tuple(f"resumed elsewhere: {change}" for change in machine_differences(request.resume.lock, lock))
    return ()


def _compute_facts(session: Session, compute: Compute) -> dict[str, Any]:
    """Describe device, precision and memory for a lock."""
    from echokit.system.malloc import allocator

    return {
        "device": compute.device.type,
        "precision": str(compute.precision.dtype).removeprefix("torch."),
        "why": compute.precision.why,
        "threads": session.threads,
        "memory": f"channels_last_3d; {allocator()}",
        "processes": session.distributed.count,
    }
