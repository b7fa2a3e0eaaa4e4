"""TrainSettings: the ``train`` part of a recipe; light, as `echokit schema` prints it without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


_Beta = Annotated[float, Field(ge=0, lt=1)]


class OptimizerSettings(_Strict):
    """How the weights follow their gradients."""

    use: Literal["adam", "adamw"] = Field(
        "adam",
        description="adam: weight decay is added to the gradient; adamw: it shrinks the weights directly.",
    )
    lr: float = Field(1e-4, gt=0, description="Learning rate; with one_cycle, its peak.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay on every parameter that is trained.")
    betas: tuple[_Beta, _Beta] = Field(
        (0.9, 0.999),
        strict=False,  # a list in YAML
        description="Decay of the running means of the gradient and of its square.",
    )
    eps: float = Field(1e-8, gt=0, description="Added to the denominator of the update.")


class ConstantSchedule(_Strict):
    """The same learning rate throughout."""

    use: Literal["constant"] = Field("constant", description="The same learning rate throughout.")


class OneCycleSchedule(_Strict):
    """Up to the optimizer's learning rate and down again, both along a cosine (Smith and Topin 2018)."""

    use: Literal["one_cycle"] = Field("one_cycle", description="Rise to the learning rate, then fall, along cosines.")
    warmup: float = Field(0.3, ge=0, lt=1, description="Fraction of the training that is spent rising.")
    start_factor: float = Field(0.04, gt=0, le=1, description="First learning rate, as a fraction of the peak.")
    end_factor: float = Field(4e-6, ge=0, le=1, description="Last learning rate, as a fraction of the peak.")


Schedule = Annotated[ConstantSchedule | OneCycleSchedule, Field(discriminator="use")]


BatchNormRule = Literal["frozen", "adapt", "train"]
EPOCHS = 7
_Parts = Annotated[
    tuple[str, ...],
    Field(min_length=1, strict=False, description="head, backbone, or modules inside the backbone (stages.3)."),
]


class PhaseSettings(_Strict):
    """A stretch of a training: which parts learn, for how long, at what rate."""

    name: str = Field(min_length=1, description="Name in the history; no two phases have the same.")
    train: _Parts = Field(
        ("head", "backbone"),
        description="What learns: head, backbone, or modules inside the backbone by name (stages.3). All else is "
        "frozen: its weights stay, its batch norm does not move, its dropout is off.",
    )
    epochs: int = Field(ge=1, description="Times that the training cases are seen.")
    lr: float | None = Field(None, gt=0, description="Learning rate of the phase; null: that of the optimizer.")
    bn: BatchNormRule | None = Field(None, description="Batch norm of what learns; null: as train.bn.")
    copies: int = Field(
        1,
        ge=1,
        description="Where the head alone learns, features are computed once, from this many fixed copies of every "
        "training sample, each with its own window and augmentation; the epochs take them in turn.",
    )


class L1Settings(_Strict):
    """L1 penalty on weights."""

    strength: float = Field(gt=0, description="Its product with the sum of the absolute weights is minimised too.")
    on: _Parts = Field(("head",), description="Parts whose weights (not biases, not norms) it pulls towards 0.")


class TrainSettings(_Strict):
    """How a model is trained and which of its epochs is kept."""

    epochs: int = Field(
        EPOCHS, ge=1, description="Times that the training cases are seen; with phases, the sum of theirs."
    )
    phases: tuple[PhaseSettings, ...] | None = Field(
        None,
        min_length=1,
        strict=False,
        description="Stretches of the training, one after the other; null: everything learns throughout.",
    )
    bn: BatchNormRule | None = Field(
        None,
        description="Batch norm of what learns. frozen: statistics, scale and shift stay as they are; adapt: only the "
        "statistics follow the data; train: all of it learns. null: frozen where training starts from given weights "
        "with fewer than 500 training cases, else train.",
    )
    batch_size: int = Field(16, ge=1, description="Clips in a step of the optimizer.")
    eval_batch_size: int | None = Field(
        None, ge=1, description="Clips in a batch of validation and test; null: as batch_size."
    )
    optimizer: OptimizerSettings = Field(
        default_factory=OptimizerSettings, description="How the weights follow their gradients."
    )
    schedule: Schedule = Field(
        default_factory=ConstantSchedule, description="How the learning rate changes: constant or one_cycle."
    )
    l2_conv: float = Field(
        0.0,
        ge=0,
        description="L2 penalty on the kernels of convolutions only: l2_conv times the sum of their squares "
        "is added to what is minimised, not to the loss that is reported. The study used one and did not "
        "publish its value.",
    )
    l1: L1Settings | None = Field(
        None, description="L1 penalty on the weights of some parts, as l2_conv not in the loss that is reported."
    )
    clip_gradients: float | None = Field(
        None, gt=0, description="Largest norm of the gradient of all weights together; null: not limited."
    )
    keep: Literal["study_rule", "best_val_auroc", "last"] = Field(
        "best_val_auroc",
        description="Which epoch is kept. study_rule: the best validation accuracy among "
        "epochs whose training and validation accuracy differ by less than 0.05; best_val_auroc: the best "
        "validation AUROC; last: the last.",
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the arithmetic; auto: the fastest that the device really has."
    )
    deterministic: bool = Field(
        True,
        description="Use only operations that give the same bits twice, wherever the device offers them.",
    )

    @model_validator(mode="after")
    def _phases_add_up(self) -> TrainSettings:
        if self.phases is None:
            return self
        names, total = [phase.name for phase in self.phases], sum(phase.epochs for phase in self.phases)
        if len(set(names)) < len(names):
            raise ValueError(f"two phases have the same name: {', '.join(names)}")
        if "epochs" not in self.model_fields_set:
            vars(self)["epochs"] = total  # frozen for others; here it is still being made
        elif self.epochs != total:
            raise ValueError(
                f"epochs is {self.epochs} and the phases have {total} in all: leave epochs out or write {total}"
            )
        return self
