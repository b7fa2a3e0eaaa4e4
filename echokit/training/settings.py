"""TrainSettings: the ``train`` part of a recipe; light, as `echokit schema` prints it without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from echokit.errors import EchokitError, did_you_mean


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _ByName(BaseModel):
    """Settings of something that a library has under a name: its own parameters are fields too, filled in and checked.

    What is in ``LIGHT`` is checked from this table, so that the usual recipe is validated without torch; any other
    name imports its library.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    LIGHT: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    use: str

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of the named thing, lists as tuples."""
        extra = self.model_extra or {}
        return {name: tuple(v) if isinstance(v, list) else v for name, v in extra.items()}

    @classmethod
    def known(cls, use: str) -> Mapping[str, Any]:
        """Parameters of a name and their defaults.

        Raises:
            ValueError: The libraries have no such name.
        """
        raise NotImplementedError

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        known = self.LIGHT[self.use] if self.use in self.LIGHT else self.known(self.use)
        extra = self.model_extra
        assert extra is not None  # extra="allow"
        for name, value in extra.items():
            if name not in known:
                hint = did_you_mean(name, known) or f"it takes {', '.join(known) or 'no parameters of its own'}"
                raise ValueError(f"{self.use} has no parameter {name!r} ({hint})")
            if not _fits(value, known[name]):
                raise ValueError(f"{name} of {self.use} is a value like {known[name]!r}, not {value!r}")
        complete = {name: extra.get(name, _plain(default)) for name, default in known.items()}
        extra.clear()
        extra.update({name: value for name, value in complete.items() if value is not None})
        return self


def _fits(value: Any, default: Any) -> bool:
    """Whether a value is of the kind of a default; a default of None says nothing of its kind."""
    if isinstance(default, bool) or isinstance(value, bool):
        return default is None or (isinstance(default, bool) and isinstance(value, bool))
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        if not isinstance(value, list | tuple):
            return False
        kinds = default if len(value) == len(default) else [0.0] * len(value)
        return all(_is_number(v) or (v is None and one is None) for v, one in zip(value, kinds, strict=True))
    return default is None or isinstance(value, type(default))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


class OptimizerSettings(_ByName):
    """How the weights follow their gradients: an optimizer of torch or timm, with its own parameters beside these."""

    LIGHT = {
        "adam": {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False},
        "adamw": {"betas": (0.9, 0.999), "eps": 1e-8, "amsgrad": False},
        "sgd": {"momentum": 0.0, "dampening": 0.0, "nesterov": False},
    }
    use: str = Field(
        "adam",
        description="Name in torch.optim, else in timm.optim, in lower case. adam: weight decay is added to the "
        "gradient; adamw: it shrinks the weights directly.",
    )
    lr: float = Field(1e-4, gt=0, description="Learning rate; where the schedule has a peak, that.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay on every parameter that is trained.")

    @classmethod
    def known(cls, use: str) -> Mapping[str, Any]:
        """Parameters of an optimizer and their defaults."""
        from echokit.training.by_name import optimizer_parameters

        return optimizer_parameters(use)

    @model_validator(mode="after")
    def _tried(self) -> Self:
        if self.use not in self.LIGHT:
            from echokit.training.by_name import try_optimizer

            try_optimizer(self.use, {"lr": self.lr, **self.options})
        return self

    @model_validator(mode="after")
    def _betas(self) -> Self:
        if any(not 0 <= beta < 1 for beta in self.options.get("betas", ())):
            raise ValueError(f"betas lie between 0 and 1, not {self.options['betas']!r}")
        return self


class ConstantSchedule(_Strict):
    """The same learning rate throughout."""

    use: Literal["constant"] = Field("constant", description="The same learning rate throughout.")


class OneCycleSchedule(_Strict):
    """Up to the optimizer's learning rate and down again, both along a cosine (Smith and Topin 2018)."""

    use: Literal["one_cycle"] = Field("one_cycle", description="Rise to the learning rate, then fall, along cosines.")
    warmup: float = Field(0.3, ge=0, lt=1, description="Fraction of the training that is spent rising.")
    start_factor: float = Field(0.04, gt=0, le=1, description="First learning rate, as a fraction of the peak.")
    end_factor: float = Field(4e-6, ge=0, le=1, description="Last learning rate, as a fraction of the peak.")


class NamedSchedule(_ByName):
    """A schedule of torch or timm, with its own parameters beside these."""

    use: str = Field(
        description="In torch.optim.lr_scheduler without LR (cosine_annealing, step, exponential, ...), else in "
        "timm.scheduler (cosine, tanh, poly, ...); plateau lowers the rate when the validation loss stays.",
    )
    unit: Literal["epoch", "step"] = Field("epoch", description="What its parameters count.")

    @classmethod
    def known(cls, use: str) -> Mapping[str, Any]:
        """Parameters of a schedule and their defaults; what is the length of the training is filled in later."""
        from echokit.training.by_name import schedule_parameters

        return schedule_parameters(use)

    @model_validator(mode="after")
    def _tried(self) -> Self:
        from echokit.training.by_name import PLATEAU, plateau_rate, schedule_curve

        try:
            if self.use == PLATEAU:
                plateau_rate(self.options, 1.0, (1.0,))
            else:
                schedule_curve(self.use, tuple(self.options.items()), 1.0, 4)
        except EchokitError as error:
            raise ValueError(error.message) from None
        return self


def _schedule_kind(value: Any) -> str:
    use = value.get("use") if isinstance(value, Mapping) else getattr(value, "use", None)
    return str(use) if use in ("constant", "one_cycle") else "named"


Schedule = Annotated[
    Annotated[ConstantSchedule, Tag("constant")]
    | Annotated[OneCycleSchedule, Tag("one_cycle")]
    | Annotated[NamedSchedule, Tag("named")],
    Discriminator(_schedule_kind),
]


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


class EmaSettings(_Strict):
    """Exponential moving average of the weights: validated, kept and scored in place of the weights themselves."""

    decay: float = Field(0.999, gt=0, lt=1, description="Part of the average that a step keeps; less in the beginning.")


class EarlyStopSettings(_Strict):
    """End of a phase that no longer gets better."""

    patience: int = Field(ge=1, description="Epochs without a better value after which the phase ends.")
    metric: Literal["val_loss", "val_accuracy", "val_auroc"] = Field("val_loss", description="What should get better.")
    by: float = Field(0.0, ge=0, description="Better means by more than this.")


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
    batch_size: int = Field(16, ge=1, description="Clips that go through the model at a time, on each device.")
    accumulate: int = Field(
        1,
        ge=1,
        description="Batches whose gradients make one step: a step is of batch_size x accumulate clips, times the "
        "processes of a parallel training.",
    )
    eval_batch_size: int | None = Field(
        None, ge=1, description="Clips in a batch of validation and test; null: as batch_size."
    )
    optimizer: OptimizerSettings = Field(
        default_factory=OptimizerSettings, description="How the weights follow their gradients."
    )
    schedule: Schedule = Field(
        default_factory=ConstantSchedule,
        description="How the learning rate changes in a phase: constant, one_cycle, or a name of torch or timm.",
    )
    layer_decay: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Layer-wise decay: each block below the head learns at this times the rate of the one above it.",
    )
    ema: EmaSettings | None = Field(None, description="Average of the weights over steps; null: none.")
    early_stop: EarlyStopSettings | None = Field(None, description="When a phase ends before its time; null: never.")
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
    keep: Literal["study_rule", "best_val_auroc", "best_val_loss", "last"] = Field(
        "best_val_auroc",
        description="Which epoch is kept. study_rule: the best validation accuracy among "
        "epochs whose training and validation accuracy differ by less than 0.05; best_val_auroc: the best "
        "validation AUROC; best_val_loss: the lowest validation loss; last: the last.",
    )
    precision: Literal["auto", "float32", "tf32", "bfloat16", "float16"] = Field(
        "auto",
        description="Number format of the arithmetic; auto: the fastest that the device really has. float32 is never "
        "rounded to TF32 unasked.",
    )
    compile: bool = Field(
        False,
        description="Compile the training step with torch.compile: a minute first and other last bits. Measure whether "
        "it pays: on a CPU it made the study's model slower. It needs a C++ compiler.",
    )
    deterministic: bool = Field(
        True,
        description="Use only operations that give the same bits twice, wherever the device offers them; what "
        "that costs on a GPU is measured and printed. CPUs give them in any case.",
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
