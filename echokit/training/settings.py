"""TrainSettings: the ``train`` part of a recipe; light, as `echokit schema` prints it without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


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


class TrainSettings(_Strict):
    """How a model is trained and which of its epochs is kept."""

    epochs: int = Field(7, ge=1, description="Times that the training cases are seen.")
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
