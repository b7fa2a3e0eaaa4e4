"""Define the ``train`` part of a recipe, without an import of torch."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from echokit.errors import EchokitError, did_you_mean
from echokit.plugins.component import Component
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, Problem, inner_error, validate
from echokit.training.library_names import may_have


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class _Named(BaseModel):
    """A registered component or an object of torch or timm, by its name.

    Its own parameters are fields beside those of the model. A bare name means a built-in component, else an object of a
    library, else a plugin's component; ``plugin:name`` always means the plugin's.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)
    KIND: ClassVar[str]
    use: str

    @property
    def options(self) -> dict[str, Any]:
        """The parameters of the object, lists as tuples."""
        extra = self.model_extra or {}
        return {name: tuple(v) if isinstance(v, list) else v for name, v in extra.items()}

    @property
    def component(self) -> ComponentConfig | None:
        """The registered component with its parameters; None for one of a library."""
        if (component := self._find()) is None:
            return None
        return ComponentConfig(component, validate(component.parameters(), self.model_extra or {}))

    def _find(self) -> Component | None:
        registry = installed().registry
        same_name = [c for c in registry.components([self.KIND]) if c.name == self.use]
        if ":" in self.use or any(component.is_built_in(self.use) for component in same_name):
            return registry.get(self.KIND, self.use)
        if self.in_library(self.use):
            return None
        if same_name:
            return registry.get(self.KIND, self.use)
        names = {*registry.names(self.KIND), *self.library_names()}
        hint = did_you_mean(self.use, sorted(names)) or f"`echokit list {self.KIND}s` names them all"
        raise EchokitError(f"there is no {self.KIND} {self.use!r}", hint=hint, code="component.unknown")

    @classmethod
    def in_library(cls, name: str) -> bool:
        """Return whether torch or timm has a name; imports them only if they may have it."""
        return may_have(name) and name in cls.library_names()

    @classmethod
    def library_names(cls) -> Collection[str]:
        """Return the names of torch and timm; imports both."""
        raise NotImplementedError

    def library_parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the object of a library, and their defaults."""
        raise NotImplementedError

    def try_library(self) -> None:
        """Create the object of a library.

        Raises:
            ValueError: It rejects its parameters.
        """
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:
        return {"use": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        try:
            component = self._find()
            if component is None:
                self._set(self._with_defaults(self.library_parameters()))
                self.try_library()
            else:
                model = component.parameters()
                self._refuse_hidden(component, model)
                self._set(validate(model, self.model_extra or {}).model_dump(mode="json"))
                vars(self)["use"] = component.full_name  # the model is frozen, but still under construction here
        except InvalidParameters as invalid:
            raise inner_error(invalid.problems, self.model_extra or {}) from None
        except EchokitError as error:
            raise inner_error([Problem((), error.message, error.hint, error.code)], self.use) from None
        except ValueError as error:  # of a library
            raise inner_error([Problem((), str(error))], self.use) from None
        return self

    def _set(self, options: Mapping[str, Any]) -> None:
        extra = self.model_extra
        assert extra is not None  # extra="allow"
        extra.clear()
        extra.update(options)

    @classmethod
    def _refuse_hidden(cls, component: Component, model: type[BaseModel]) -> None:
        hidden = sorted(set(model.model_fields) & set(cls.model_fields))
        if hidden:
            raise EchokitError(
                f"the {cls.KIND} {component.full_name!r} has a parameter {hidden[0]!r} of its own, which it is given "
                "when it is called",
                hint="remove it from __init__",
                where=component.target,
                code="component.reserved_parameter",
            )

    def _with_defaults(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        extra = self.model_extra or {}
        for name, value in extra.items():
            if name not in parameters:
                hint = did_you_mean(name, parameters) or f"the parameters are {', '.join(parameters) or 'none'}"
                raise InvalidParameters([Problem((name,), f"unknown parameter {name!r}", hint, "parameter.unknown")])
            if not _fits(value, parameters[name]):
                message = f"expected a value like {_plain(parameters[name])!r}, not {value!r}"
                raise InvalidParameters([Problem((name,), message)])
        complete = {name: extra.get(name, _plain(default)) for name, default in parameters.items()}
        return {name: value for name, value in complete.items() if value is not None}


def _fits(value: Any, default: Any) -> bool:
    """Return whether a value has the type of a default; None allows any type."""
    if isinstance(default, bool) or isinstance(value, bool):
        return default is None or (isinstance(default, bool) and isinstance(value, bool))
    if isinstance(default, int | float):
        return isinstance(value, int | float)
    if isinstance(default, list | tuple):
        if not isinstance(value, list | tuple):
            return False
        items = default if len(value) == len(default) else [0.0] * len(value)
        return all(_is_number(v) or (v is None and item is None) for v, item in zip(value, items, strict=True))
    return default is None or isinstance(value, type(default))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _plain(default: Any) -> Any:
    return list(default) if isinstance(default, tuple) else default


class OptimizerSettings(_Named):
    """An optimizer, registered or of a library, with its own parameters as well."""

    KIND = "optimizer"
    use: str = Field(
        "adam",
        description="A registered optimizer, else a name in torch.optim, else in timm.optim, in lower case; a plugin's "
        "optimizer whose name a library has is plugin:name. adam: weight decay is added to the gradient; adamw: weight "
        "decay is decoupled from the gradient.",
    )
    lr: float = Field(1e-4, gt=0, description="Learning rate; the peak if the schedule has one.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of every trained parameter.")

    @classmethod
    def library_names(cls) -> Collection[str]:
        """Return the names of torch and timm; imports both."""
        from echokit.training.optimizer_catalog import optimizer_names

        return optimizer_names()

    def library_parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the optimizer of a library, and their defaults."""
        from echokit.training.optimizer_catalog import optimizer_parameters

        return optimizer_parameters(self.use)

    def try_library(self) -> None:
        """Create the optimizer of a library."""
        from echokit.training.optimizer_catalog import try_optimizer

        if any(not 0 <= beta < 1 for beta in self.options.get("betas", ())):
            raise ValueError(f"betas must be between 0 and 1, not {self.options['betas']!r}")
        try_optimizer(self.use, {"lr": self.lr, **self.options})


class ScheduleSettings(_Named):
    """A learning rate schedule, registered or of a library, with its parameters."""

    KIND = "scheduler"
    use: str = Field(
        "constant",
        description="A registered scheduler, else a name in torch.optim.lr_scheduler without LR (cosine_annealing, "
        "step, exponential, ...), else in timm.scheduler (cosine, tanh, poly, ...); plateau lowers the rate when the "
        "validation loss does not improve. The parameters of a library's schedule count in unit: epoch or step.",
    )

    @property
    def follows_length(self) -> bool:
        """Whether the learning rates depend on the number of epochs."""
        if (chosen := self.component) is not None:
            return bool(getattr(chosen.build(), "follows_length", True))
        from echokit.training.optimizer_catalog import follows_training

        return follows_training(self.use, self.options)

    @classmethod
    def library_names(cls) -> Collection[str]:
        """Return the names of torch and timm; imports both."""
        from echokit.training.optimizer_catalog import schedule_names

        return schedule_names()

    def library_parameters(self) -> Mapping[str, Any]:
        """Return the parameters of the schedule of a library, and their defaults."""
        from echokit.training.optimizer_catalog import schedule_parameters

        return schedule_parameters(self.use)

    def try_library(self) -> None:
        """Create the schedule of a library."""
        from echokit.training.optimizer_catalog import try_schedule

        try_schedule(self.use, self.options)


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
