"""Callbacks of a run; a failing hook never ends the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from echokit.errors import EchokitError
from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.named_callback import NamedCallback
from echokit.pipeline.session import Session
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.discovery import Installed, installed
from echokit.plugins.foreign_code import describe_exception
from echokit.plugins.hookspecs import Section
from echokit.results.run import Run
from echokit.system.progress import display
from echokit.training.callback import Audience, Record, StepProgress, Stop


class RunHooks:
    """Calls the hooks of a run; a hook that raises is not called again.

    Args:
        run: Passed to every hook.
        plugins: The installed plugins.

    Attributes:
        problems: One line for each hook that failed.
    """

    def __init__(self, run: Run, plugins: Installed) -> None:
        self.run = run
        self.problems: list[str] = []
        self._plugins = plugins
        self._failed: set[tuple[str, str]] = set()

    @contextmanager
    def run_hooks(self) -> Iterator[None]:
        """Call the start hooks of the run, and its end hooks in any case."""
        self._call("echokit_run_start")
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._call("echokit_run_end", error=error)

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        """Call the hooks for the end of an epoch."""
        self._call("echokit_epoch_end", record=record)

    def sections(self) -> list[Section]:
        """Collect the report sections of plugins, in the order of the plugins' names."""
        sections = []
        for plugin, section in self._call("echokit_report_section"):
            if isinstance(section, Section):
                sections.append(section)
            else:
                self._fail(plugin, "echokit_report_section", f"returned {type(section).__name__}, not a Section")
        return sections

    def _call(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        results = []
        for plugin in self._plugins.plugins_with_hook(hook):
            if (plugin, hook) in self._failed:
                continue
            try:
                results += [(plugin, value) for value in self._plugins.call(plugin, hook, run=self.run, **arguments)]
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # SystemExit as well
                self._fail(plugin, hook, f"raised {describe_exception(error)}")
        return results

    def _fail(self, plugin: str, hook: str, problem: str) -> None:
        self._failed.add((plugin, hook))
        self.problems.append(f"the hook {hook} of the plugin {plugin} {problem}; the run continued without it")
        display().show_message(self.problems[-1])


class RunCallbacks:
    """Passes events to the user's callback, the callbacks of the recipe and the hooks.

    Args:
        user: The callback of the run's caller.
        named: The callbacks of the recipe.
        hooks: Called at the end of epochs; None in processes beside the main one.
    """

    def __init__(
        self, user: Audience | None = None, named: Sequence[NamedCallback] = (), hooks: RunHooks | None = None
    ) -> None:
        self._user = user
        self._named = named
        self._hooks = hooks

    def on_fold_start(self, fold: int, history: Sequence[Record]) -> None:
        """Pass on the start of a fold."""
        for callback in self._named:
            callback.on_fold_start(fold, history)

    def on_step_end(self, progress: StepProgress) -> Stop | None:
        """Pass on a finished optimizer step, and return the first answer to stop."""
        if self._user:
            self._user.on_step_end(progress)
        answers = [callback.on_step_end(progress) for callback in self._named]
        return next(filter(None, answers), None)

    def judge_epoch(self, record: Record) -> Stop | None:
        """Ask all callbacks that decide, and return the first answer to stop."""
        answers = [callback.on_epoch_end(record) for callback in self._named if callback.decides]
        return next(filter(None, answers), None)

    def on_epoch_end(self, record: Record) -> None:
        """Pass on a finished epoch to everyone else."""
        if self._user:
            self._user.on_epoch_end(record)
        for callback in self._named:
            if not callback.decides:
                callback.on_epoch_end(record)
        if self._hooks:
            self._hooks.on_epoch_end(dict(record))

    def on_fold_end(self, fold: int, history: Sequence[Record]) -> None:
        """Pass on the end of a fold."""
        for callback in self._named:
            callback.on_fold_end(fold, history)

    def on_warning(self, message: str) -> None:
        """Pass on a warning."""
        if self._user:
            self._user.on_warning(message)

    def sections(self) -> list[Section]:
        """Collect the report sections of plugins."""
        return self._hooks.sections() if self._hooks else []

    @property
    def problems(self) -> Sequence[str]:
        """One line for each hook that failed."""
        return self._hooks.problems if self._hooks else ()


@contextmanager
def run_callbacks(run: Run, plan: FoldPlan, session: Session) -> Iterator[RunCallbacks]:
    """Connect the callbacks of a run inside the block, in the main process."""
    if not session.is_main:
        yield RunCallbacks()
        return
    hooks = RunHooks(run, installed())
    with hooks.run_hooks(), started_callbacks(plan.recipe.all_callbacks, run) as named:
        yield RunCallbacks(session.request.callback, named, hooks)


@contextmanager
def started_callbacks(uses: Sequence[ComponentConfig], run: Run) -> Iterator[list[NamedCallback]]:
    """Tell the callbacks of a recipe of the run's start, and of its end in any case.

    Raises:
        EchokitError: One of them failed. An error that ended the run comes first.
    """
    named = [NamedCallback(use) for use in uses]
    started: list[NamedCallback] = []
    error: BaseException | None = None
    try:
        for callback in named:
            started.append(callback)
            callback.on_run_start(run)
        yield named
    except BaseException as raised:
        error = raised
        raise
    finally:
        ending = error
        for callback in started:
            try:
                callback.on_run_end(run, error)
            except EchokitError as failed:
                if ending is None:
                    ending = failed
                else:
                    display().show_message(str(failed))
        if ending is not error and ending is not None:
            raise ending
