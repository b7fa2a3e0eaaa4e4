"""Callbacks of a run; a failing hook never ends the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from echokit.pipeline.fold_plan import FoldPlan
from echokit.pipeline.session import Session
from echokit.plugins.discovery import Installed, installed
from echokit.plugins.foreign_code import describe_exception
from echokit.plugins.hookspecs import Section
from echokit.results.run import Run
from echokit.system.progress import display
from echokit.training.callback import StepProgress, TrainingCallback


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
    """Passes events to the user's callback, the trackers and the hooks.

    Args:
        callbacks: Called for every event.
        hooks: Called at the end of epochs; None in processes beside the main one.
    """

    def __init__(self, callbacks: Sequence[TrainingCallback] = (), hooks: RunHooks | None = None) -> None:
        self._callbacks = callbacks
        self._hooks = hooks

    def on_step_end(self, progress: StepProgress) -> None:
        """Pass on a finished optimizer step."""
        for callback in self._callbacks:
            callback.on_step_end(progress)

    def on_epoch_end(self, record: Mapping[str, object]) -> None:
        """Pass on a finished epoch."""
        for callback in self._callbacks:
            callback.on_epoch_end(record)
        if self._hooks:
            self._hooks.on_epoch_end(dict(record))

    def on_warning(self, message: str) -> None:
        """Pass on a warning."""
        for callback in self._callbacks:
            callback.on_warning(message)

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
    from echokit.training.trackers import open_trackers

    if not session.is_main:
        yield RunCallbacks()
        return
    hooks = RunHooks(run, installed())
    with (
        hooks.run_hooks(),
        open_trackers(plan.recipe.track, plan.recipe.name, run.path, _tracker_facts(plan)) as trackers,
    ):
        user = session.request.callback
        yield RunCallbacks([user, trackers] if user else [trackers], hooks)


def _tracker_facts(plan: FoldPlan) -> dict[str, Any]:
    """Describe a run for trackers: plain values, no path and nothing of a case."""
    recipe, lock = plan.recipe, plan.lock
    return {
        "data": lock.stamp or lock.content["data"]["name"],
        "recipe_hash": lock.recipe_hash,
        "seed": recipe.seed,
        "fusion": recipe.fusion.name,
        "backbone": recipe.backbone.name,
        "objective": recipe.objective.name,
        "optimizer": recipe.train.optimizer.use,
        "lr": recipe.train.optimizer.lr,
        "epochs": recipe.train.epochs,
        "batch_size": recipe.train.batch_size,
    }
