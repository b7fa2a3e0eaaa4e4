"""Optimizers and schedules of a recipe: registered, or of torch or timm, without an import of either."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from echokit.errors import EchokitError, did_you_mean
from echokit.plugins.component import Component
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import InvalidParameters, Problem, inner_error, validate
from echokit.training.library_names import may_have


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
