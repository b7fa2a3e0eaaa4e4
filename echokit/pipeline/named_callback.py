"""The callbacks that a recipe names: what they raise is named, and each fold has its own copy."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from echokit.errors import EchokitError, location_in_package
from echokit.plugins.component import BUILT_IN
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.foreign_code import describe_exception
from echokit.recipe.recipe import Recipe
from echokit.results.run import Run
from echokit.training.callback import Callback, Record, StepProgress, Stop, only_watches

Answer = TypeVar("Answer")
LONGEST_REASON = 300


def check_callbacks(recipe: Recipe) -> None:
    """Let every callback of a recipe check that it can work here.

    Raises:
        EchokitError: One cannot, with its place in the recipe.
    """
    for key, uses in (("callbacks", recipe.callbacks), ("track", recipe.track)):
        for index, use in enumerate(uses):
            try:
                NamedCallback(use).check()
            except EchokitError as error:
                place = error.where or str(recipe.tree.at((key, index)).origin)
                message = f"{key}.{index}: {error.message}"
                raise EchokitError(message, hint=error.hint, where=place, code=error.code) from error


class NamedCallback:
    """A callback of a recipe.

    Args:
        use: Its component and parameters.

    Attributes:
        decides: Whether it may stop a training.
    """

    def __init__(self, use: ComponentConfig) -> None:
        self._use = use
        self._of_run: Callback = use.build()
        self._of_fold = self._of_run
        self.decides = not only_watches(type(self._of_run))

    def check(self) -> None:
        """Let it check that it can work here; its own `EchokitError` is passed on."""
        try:
            self._of_run.check()
        except EchokitError:
            raise
        except Exception as error:
            raise self._failed("check", error) from error

    def on_run_start(self, run: Run) -> None:
        """Tell it of the start of the run."""
        self._call("on_run_start", lambda: self._of_run.on_run_start(run))

    def on_fold_start(self, fold: int, history: Sequence[Record]) -> None:
        """Tell it of the start of a fold.

        One that decides hears of the earlier epochs again.
        """
        if self.decides:
            self._of_fold = self._call("__deepcopy__", lambda: copy.deepcopy(self._of_run))
        self._call("on_fold_start", lambda: self._of_fold.on_fold_start(fold, _copies(history)))
        for record in history if self.decides else ():
            self.on_epoch_end(record)

    def on_step_end(self, progress: StepProgress) -> Stop | None:
        """Tell it of a step."""
        return self._answer("on_step_end", lambda: self._of_fold.on_step_end(progress))

    def on_epoch_end(self, record: Record) -> Stop | None:
        """Tell it of an epoch."""
        return self._answer("on_epoch_end", lambda: self._of_fold.on_epoch_end(dict(record)))

    def on_fold_end(self, fold: int, history: Sequence[Record]) -> None:
        """Tell it of the end of a fold."""
        self._call("on_fold_end", lambda: self._of_fold.on_fold_end(fold, _copies(history)))

    def on_run_end(self, run: Run, error: BaseException | None) -> None:
        """Tell it of the end of the run."""
        self._call("on_run_end", lambda: self._of_run.on_run_end(run, error))

    def _answer(self, event: str, call: Callable[[], Any]) -> Stop | None:
        """Return its answer, with its name before the reason."""
        answer = self._call(event, call)
        if answer is None:
            return None
        if not isinstance(answer, Stop) or not isinstance(answer.reason, str) or not answer.reason.strip():
            raise EchokitError(
                f"{self._name} answered {answer!r} in {event}",
                hint='return echokit.Stop("the reason"), or None to go on',
                where=self._use.component.target,
                code="callback.bad_answer",
            )
        if not self.decides:
            raise EchokitError(
                f"{self._name} says that it only watches, but answered Stop in {event}: {answer.reason}",
                hint="remove only_watches = True from its class, so that it is part of the recipe hash",
                where=self._use.component.target,
                code="callback.only_watches",
            )
        reason = " ".join(answer.reason.split())[:LONGEST_REASON]
        return Stop(f"{self._use.name}: {reason}")

    def _call(self, event: str, call: Callable[[], Answer]) -> Answer:
        try:
            return call()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit as well
            raise self._failed(event, error) from error

    def _failed(self, event: str, error: BaseException) -> EchokitError:
        target = self._use.component.target
        hint = "show its traceback with --debug; fix it, or remove it from the recipe"
        return EchokitError(
            f"{self._name} failed in {event}: {describe_exception(error)}",
            hint=(error.hint if isinstance(error, EchokitError) else None) or hint,
            where=location_in_package(error, target.partition(":")[0].partition(".")[0]) or target,
            code="callback.failed",
        )

    @property
    def _name(self) -> str:
        component = self._use.component
        plugin = "" if component.plugin == BUILT_IN else f" of the plugin {component.plugin!r}"
        return f"the callback {component.name!r}{plugin}"


def _copies(history: Sequence[Record]) -> list[Record]:
    return [dict(record) for record in history]
