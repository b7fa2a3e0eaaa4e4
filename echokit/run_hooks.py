"""The hooks of one run: whoever wants to know is told, and nobody who is told can lose the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from echokit.hooks import Section
from echokit.plugins import Installed, in_words
from echokit.progress import display
from echokit.run_directory import Run
from echokit.training.watch import Watch


class RunHooks:
    """Calls the hooks of a run. One that raises is named, and not called again in this run; the run goes on.

    Args:
        run: The run that is told of.
        known: What is installed.

    Attributes:
        problems: What went wrong in hooks, a line each.
    """

    def __init__(self, run: Run, known: Installed) -> None:
        self.run = run
        self.problems: list[str] = []
        self._known = known
        self._failed: set[tuple[str, str]] = set()

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell of the run's start, and of its end however the block ends."""
        self._call("echokit_run_start")
        error: BaseException | None = None
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._call("echokit_run_end", error=error)

    def epoch(self, record: Mapping[str, object]) -> None:
        """Tell of the end of an epoch."""
        self._call("echokit_epoch_end", record=record)

    def sections(self) -> list[Section]:
        """What plugins add to the report, in the order of the plugins' names."""
        sections = []
        for plugin, answer in self._call("echokit_report_section"):
            if isinstance(answer, Section):
                sections.append(answer)
            else:
                self._fail(plugin, "echokit_report_section", f"returned {type(answer).__name__}, not a Section")
        return sections

    def _call(self, hook: str, **arguments: Any) -> list[tuple[str, Any]]:
        answers = []
        for plugin in self._known.implementing(hook):
            if (plugin, hook) in self._failed:
                continue
            try:
                answers += [(plugin, answer) for answer in self._known.call(plugin, hook, run=self.run, **arguments)]
            except (Exception, SystemExit) as error:
                self._fail(plugin, hook, f"raised {in_words(error)}")
        return answers

    def _fail(self, plugin: str, hook: str, what: str) -> None:
        self._failed.add((plugin, hook))
        self.problems.append(f"the hook {hook} of the plugin {plugin} {what}; the run went on without it")
        display().say(self.problems[-1])


class HookedWatch:
    """A watch that tells the hooks of every epoch, too.

    Args:
        watch: Told of everything.
        hooks: Told of epochs.
    """

    def __init__(self, watch: Watch, hooks: RunHooks) -> None:
        self._hooks = hooks
        self.step = watch.step
        self.note = watch.note
        self._epoch = watch.epoch

    def epoch(self, record: Mapping[str, object]) -> None:
        """An epoch was done."""
        self._epoch(record)
        self._hooks.epoch(dict(record))
