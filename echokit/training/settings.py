"""Define the ``train`` part of a recipe, without an import of torch."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from echokit.plugins.component_config import ComponentConfig
from echokit.training.named_settings import OptimizerSettings, ScheduleSettings


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


BatchNormRule = Literal["frozen", "adapt", "train"]
EPOCHS = 7
_Parts = Annotated[
    tuple[str, ...],
    Field(min_length=1, strict=False, description="head, backbone, or modules inside the backbone (stages.3)."),
]


class PhaseSettings(_Strict):
    """A phase of a training: trained parts, number of epochs, learning rate."""

    name: str = Field(min_length=1, description="Name in the history; unique among the phases.")
    train: _Parts = Field(
        ("head", "backbone"),
        description="Trained parts: head, backbone, or modules inside the backbone by name (stages.3). All others are "
        "frozen: fixed weights, fixed batch-norm statistics, no dropout.",
    )
    epochs: int = Field(ge=1, le=1_000_000, description="Number of epochs.")
    lr: float | None = Field(None, gt=0, description="Learning rate of the phase; null: that of the optimizer.")
    bn: BatchNormRule | None = Field(None, description="Batch norm of the trained parts; null: as train.bn.")
    copies: int = Field(
        1,
        ge=1,
        le=10_000,
        description="If the head alone is trained, features are computed once, from this number of fixed copies of "
        "every training sample, each with its own window and augmentation; the epochs use them in turn.",
    )


class L1Settings(_Strict):
    """L1 penalty on weights."""

    strength: float = Field(gt=0, description="Factor of the sum of the absolute weights in the minimised loss.")
    on: _Parts = Field(("head",), description="Parts whose weights (not biases, not norms) are penalised.")


class EmaSettings(_Strict):
    """Exponential moving average of the weights, used for validation and prediction."""

    decay: float = Field(
        0.999, gt=0, lt=1, description="Fraction of the average that a step keeps; less in the first steps."
    )


RECORDED = ("val_loss", "val_accuracy", "val_auroc")
"""Numbers of the validation set in every history; any other ``val_NAME`` is that of the evaluator NAME."""
KEEP = ("study_rule", "best_val_auroc", "best_val_loss", "last")
_EVALUATOR = r"val_([A-Za-z0-9][A-Za-z0-9_.-]*:)?[A-Za-z0-9][A-Za-z0-9_-]*"


def _check_rule(names: tuple[str, ...], value: str) -> str:
    if value not in names and not re.fullmatch(_EVALUATOR, value):
        raise ValueError(f"expected {', '.join(names)}, or val_NAME of an evaluator")
    return value


def _rule_schema(names: tuple[str, ...]) -> dict[str, Any]:
    return {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": f"^{_EVALUATOR}$"}]}


KeepRule = Annotated[str, AfterValidator(partial(_check_rule, KEEP)), WithJsonSchema(_rule_schema(KEEP))]
EpochNumber = Annotated[str, AfterValidator(partial(_check_rule, RECORDED)), WithJsonSchema(_rule_schema(RECORDED))]


class EarlyStopSettings(_Strict):
    """Early stopping of a phase that no longer improves."""

    patience: int = Field(ge=1, description="Epochs without improvement after which the phase ends.")
    metric: EpochNumber = Field(
        "val_loss",
        description="Number that should improve: val_loss, val_accuracy, val_auroc, or val_NAME of an evaluator that "
        "gives one number, as in keep.",
    )
    by: float = Field(0.0, ge=0, description="An improvement is larger than this.")


class TrainSettings(_Strict):
    """How a model is trained and which epoch is selected."""

    epochs: int = Field(EPOCHS, ge=1, le=1_000_000, description="Number of epochs; with phases, the sum of theirs.")
    phases: tuple[PhaseSettings, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="Phases of the training, in order; null: a single phase that trains all parts.",
    )
    bn: BatchNormRule | None = Field(
        None,
        description="Batch norm of the trained parts. frozen: fixed statistics, scale and shift; adapt: only the "
        "statistics are updated; train: all of it is trained. null: frozen if training starts from weights with fewer "
        "than 500 training cases, otherwise train.",
    )
    batch_size: int = Field(16, ge=1, le=1_000_000, description="Clips in a batch, on each device.")
    accumulate: int = Field(
        1,
        ge=1,
        le=1_000_000,
        description="Batches whose gradients are accumulated in one step: a step has batch_size x accumulate clips, "
        "times the number of processes.",
    )
    eval_batch_size: int | None = Field(
        None, ge=1, le=1_000_000, description="Clips in a batch of validation and test; null: as batch_size."
    )
    optimizer: OptimizerSettings = Field(
        default_factory=OptimizerSettings, description="The optimizer and its parameters."
    )
    schedule: ScheduleSettings = Field(
        default_factory=ScheduleSettings,
        description="Learning rate schedule of a phase: constant, one_cycle, a plugin's, or a name of torch or timm.",
    )
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Layer-wise decay: factor of the learning rate from each block to the one below it.",
    )
    ema: EmaSettings | None = Field(None, description="Moving average of the weights; null: none.")
    early_stop: EarlyStopSettings | None = Field(None, description="When a phase ends early; null: never.")
    l2_conv: float = Field(
        0.0,
        ge=0,
        description="L2 penalty on the kernels of convolutions only: l2_conv times the sum of their squares is added "
        "to the minimised loss, not to the reported one. The reference study used one and did not publish its value.",
    )
    l1: L1Settings | None = Field(
        None, description="L1 penalty on the weights of some parts; like l2_conv, not in the reported loss."
    )
    clip_gradients: float | None = Field(
        None, gt=0, description="Largest norm of the gradient of all weights together; null: no limit."
    )
    keep: KeepRule = Field(
        "best_val_auroc",
        description="Which epoch is selected. study_rule (of the reference study): the best validation accuracy among "
        "epochs whose training and validation accuracy differ by less than 0.05; best_val_auroc: the best "
        "validation AUROC; best_val_loss: the lowest validation loss; last: the last epoch, the default of resamplers "
        "without a validation set; val_NAME (val_auprc, val_plugin:name): the best value of the evaluator NAME over "
        "the validation patients, with the parameters of its entry in evaluate, else its defaults.",
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = Field(
        "auto",
        description="Number format of the arithmetic; auto: the fastest that the device supports. float32 never uses "
        "TF32.",
    )
    compile: bool = Field(
        False,
        description="Compile the training step with torch.compile, which takes a minute and changes the last bits. "
        "Measure whether it is faster: on a CPU the model of the reference study became slower. Needs a C++ compiler.",
    )
    deterministic: bool = Field(
        True,
        description="Use only deterministic operations, if the device has them; the cost on a GPU is measured and "
        "printed. CPUs are always deterministic.",
    )

    def lasting(self, epochs: int) -> TrainSettings:
        """Return the settings with another number of epochs, in the last phase."""
        changes: dict[str, Any] = {"epochs": epochs}
        if self.phases is not None:
            *before, last = self.phases
            longer = last.model_copy(update={"epochs": last.epochs + epochs - self.epochs})
            changes["phases"] = (*before, longer)
        return self.model_copy(update=changes)

    def components(self) -> dict[str, ComponentConfig]:
        """Return the registered components by their keys; what a library has is none."""
        named = {"optimizer": self.optimizer.component, "schedule": self.schedule.component}
        return {key: component for key, component in named.items() if component is not None}

    def evaluators(self) -> dict[tuple[str, ...], str]:
        """Return the evaluators that select the epoch or end a phase, by their key."""
        stop = self.early_stop.metric if self.early_stop else "val_loss"
        named = {("keep",): self.keep, ("early_stop", "metric"): stop}
        return {key: rule.removeprefix("val_") for key, rule in named.items() if rule not in (*KEEP, *RECORDED)}

    @model_validator(mode="after")
    def _check_phases(self) -> TrainSettings:
        if self.phases is None:
            return self
        names, total = [phase.name for phase in self.phases], sum(phase.epochs for phase in self.phases)
        if len(set(names)) < len(names):
            raise ValueError(f"two phases have the same name: {', '.join(names)}")
        if "epochs" not in self.model_fields_set:
            vars(self)["epochs"] = total  # the model is frozen, but still under construction here
        elif self.epochs != total:
            raise ValueError(
                f"epochs is {self.epochs} and the phases have {total} in total: remove epochs or write {total}"
            )
        return self
