"""The hooks: what a plugin can add, and what it can be told. There are no others.

A plugin implements a hook as a function of that name, marked with ``@hookimpl``, and takes those of the hook's
arguments that it needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pluggy

from echokit.registry import Component, Registry

if TYPE_CHECKING:
    from echokit.run_directory import Run

hookimpl = pluggy.HookimplMarker("echokit")
_hookspec = pluggy.HookspecMarker("echokit")


class Register:
    """Given to ``echokit_components``; one method a kind, each ``(name, "package.module:Class", summary="...")``."""

    def __init__(self, registry: Registry, plugin: str) -> None:
        self._registry = registry
        self._plugin = plugin

    def _add(self, kind: str, name: str, target: str, summary: str, mask: bool = False) -> None:
        self._registry.add(Component(kind, name, target, self._plugin, summary, mask))

    def dataset(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("dataset", name, target, summary)

    def preprocessor(self, name: str, target: str, *, summary: str = "", mask: bool = False) -> None:
        self._add("preprocessor", name, target, summary, mask)

    def sampler(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("sampler", name, target, summary)

    def augmentation(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("augmentation", name, target, summary)

    def backbone(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("backbone", name, target, summary)

    def fusion(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("fusion", name, target, summary)

    def objective(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("objective", name, target, summary)

    def resampler(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("resampler", name, target, summary)

    def evaluator(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("evaluator", name, target, summary)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a plugin adds.

    Attributes:
        name: What is typed after ``echokit``.
        target: ``package.module:command``, a click command; imported when it is asked for.
        plugin: Name of the plugin.
        summary: One line for ``echokit --help``.
    """

    name: str
    target: str
    plugin: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A section that a plugin adds to the report of a run.

    Attributes:
        title: Its heading.
        text: Markdown; images are linked relative to the run directory. Never a patient's name or a path.
        first: Whether it stands with the metrics rather than at the end.
    """

    title: str
    text: str
    first: bool = False


class HookSpecs:
    """Every hook, with its arguments. A plugin's function may leave out the arguments that it does not need."""

    @_hookspec
    def echokit_components(self, register: Register) -> None:
        """Register components. Called once, when echokit first looks a component up.

        Args:
            register: Has one method a kind; give it a name and ``"package.module:Class"``, which is imported when used.
        """

    @_hookspec
    def echokit_commands(self) -> Mapping[str, tuple[str, str]]:  # type: ignore[empty-body]
        """Return commands to add to ``echokit``: ``{name: ("package.module:command", summary)}``.

        The target is a click command, imported when it is asked for. A built-in command can not be replaced.
        """

    @_hookspec
    def echokit_cases(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return how components are exercised by the conformance checks: ``{"kind.name": Case}`` or a list of cases.

        Only components that can not be made from their defaults need one. Called by the checks alone.
        """

    @_hookspec
    def echokit_run_start(self, run: Run) -> None:
        """Be told that a run starts: its directory and its lock are there, nothing is trained yet.

        Args:
            run: The run; ``run.path`` is its directory, ``run.lock`` what it rests on.
        """

    @_hookspec
    def echokit_epoch_end(self, run: Run, record: Mapping[str, Any]) -> None:
        """Be told that an epoch of training has ended.

        Args:
            run: The run.
            record: The epoch's line of ``history.jsonl``: fold, epoch, losses, accuracies, seconds.
        """

    @_hookspec
    def echokit_run_end(self, run: Run, error: BaseException | None) -> None:
        """Be told that a run has ended, whether it finished, failed or was interrupted.

        Args:
            run: The run; ``run.complete`` says whether its results are there.
            error: What ended it early, or None.
        """

    @_hookspec
    def echokit_report_section(self, run: Run) -> Section | None:
        """Return a section for the report, or None where there is nothing to say.

        Args:
            run: The run; ``run.predictions`` and ``run.metrics`` can be read.
        """


HOOKS: tuple[str, ...] = tuple(name for name in vars(HookSpecs) if name.startswith("echokit_"))
