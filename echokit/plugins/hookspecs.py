"""Specifications of all hooks that a plugin can implement.

A plugin implements a hook as a function of that name, marked with ``@hookimpl``, with the subset of the arguments that
it needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pluggy

from echokit.plugins.component import Component, importable_name
from echokit.plugins.file_format import FileFormat, Magic, file_format
from echokit.plugins.registry import Registry

if TYPE_CHECKING:
    import pandas as pd

hookimpl = pluggy.HookimplMarker("echokit")
_hookspec = pluggy.HookspecMarker("echokit")

Target = str | type[Any]
"""``"package.module:Class"``, or the class."""


class Register:
    """Argument of ``echokit_components``: one method per kind.

    ``(name, "package.module:Class", summary="...")``. The target may also be the class itself, in a plugin of one file
    or in a notebook; a package names it as text, so that its module is imported on use.
    """

    def __init__(self, registry: Registry, plugin: str) -> None:
        self._registry = registry
        self._plugin = plugin

    def _add(
        self, kind: str, name: str, target: Target, summary: str, mask: bool = False, form: FileFormat | None = None
    ) -> None:
        text = target if isinstance(target, str) else importable_name(target)
        self._registry.add(Component(kind, name, text, self._plugin, summary, mask, form))

    def dataset(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("dataset", name, target, summary)

    def preprocessor(self, name: str, target: Target, *, summary: str = "", mask: bool = False) -> None:
        self._add("preprocessor", name, target, summary, mask)

    def mask(self, name: str, target: Target, *, summary: str = "") -> None:
        """Register a preprocessor that blanks a region of every frame."""
        self.preprocessor(name, target, summary=summary, mask=True)

    def sampler(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("sampler", name, target, summary)

    def augmentation(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("augmentation", name, target, summary)

    def backbone(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("backbone", name, target, summary)

    def fusion(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("fusion", name, target, summary)

    def objective(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("objective", name, target, summary)

    def optimizer(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("optimizer", name, target, summary)

    def scheduler(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("scheduler", name, target, summary)

    def resampler(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("resampler", name, target, summary)

    def evaluator(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("evaluator", name, target, summary)

    def threshold_rule(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("threshold_rule", name, target, summary)

    def calibrator(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("calibrator", name, target, summary)

    def aggregator(self, name: str, target: str, *, summary: str = "") -> None:
        self._add("aggregator", name, target, summary)

    def reader(
        self,
        name: str,
        target: Target,
        *,
        magic: Magic,
        suffixes: Sequence[str] = (),
        folder: bool = False,
        summary: str = "",
    ) -> None:
        """Register a reader of a file format.

        Args:
            name: Name of the format.
            target: ``package.module:Class``, imported for the first file with this magic, never before.
            magic: What every file of the format begins with: ``{offset: bytes}``, or a list of alternatives.
            suffixes: Usual endings of the names. A damaged file with one counts as a video that cannot be read; a
                file is never recognized by them.
            folder: Whether a folder of such files is one video; the reader then gets the list of its files.
            summary: One line for lists.
        """
        self._add("reader", name, target, summary, form=file_format(name, magic, suffixes, folder))

    def callback(self, name: str, target: Target, *, summary: str = "") -> None:
        self._add("callback", name, target, summary)


@dataclass(frozen=True, slots=True)
class Command:
    """A command that a plugin adds.

    Attributes:
        name: Its name on the command line, after ``echokit``.
        target: ``package.module:command``, a click command; imported on use.
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


class RunView(Protocol):
    """What a hook may read of a run.

    Attributes:
        path: Its directory.
        lock: Content of ``lock.yaml``: the resolved recipe, data, versions and machine.
        predictions: ``predictions.csv``; only of a complete run.
        metrics: Its metrics, in order; only of a complete run.
        complete: Whether its results exist.
    """

    @property
    def path(self) -> Path: ...

    @property
    def lock(self) -> Any: ...

    @property
    def predictions(self) -> pd.DataFrame: ...

    @property
    def metrics(self) -> tuple[Any, ...]: ...

    @property
    def complete(self) -> bool: ...


class HookSpecs:
    """All hooks with their arguments. A plugin's function may omit arguments."""

    @_hookspec
    def echokit_components(self, register: Register) -> None:
        """Register components. Called once, before the first component is looked up.

        Args:
            register: Has one method per kind; it takes a name and ``"package.module:Class"``, which is imported on use.
        """

    @_hookspec
    def echokit_commands(self) -> Mapping[str, tuple[str, str]]:  # type: ignore[empty-body]
        """Return commands: ``{name: ("package.module:command", summary)}``.

        The target is a click command, imported on use. Built-in commands cannot be replaced.
        """

    @_hookspec
    def echokit_cases(self) -> Mapping[str, Any]:  # type: ignore[empty-body]
        """Return cases for the conformance checks, as a list or by component.

        Only components that cannot be built from their defaults need one. Only the checks call this.
        """

    @_hookspec
    def echokit_run_start(self, run: RunView) -> None:
        """Run code when a run starts: it has a lock, nothing is trained yet.

        Args:
            run: The run.
        """

    @_hookspec
    def echokit_epoch_end(self, run: RunView, record: Mapping[str, Any]) -> None:
        """Run code at the end of each training epoch.

        Args:
            run: The run.
            record: The epoch's line of ``history.jsonl``: fold, epoch, losses, accuracies, seconds.
        """

    @_hookspec
    def echokit_run_end(self, run: RunView, error: BaseException | None) -> None:
        """Run code at the end of a run: finished, failed or interrupted.

        Args:
            run: The run; ``run.complete`` is True if its results exist.
            error: The exception that ended it early, or None.
        """

    @_hookspec
    def echokit_report_section(self, run: RunView) -> Section | None:
        """Return a section for the report, or None for no section.

        Args:
            run: The run; ``run.predictions`` and ``run.metrics`` can be read.
        """


RUN_HOOKS = ("echokit_run_start", "echokit_epoch_end", "echokit_run_end", "echokit_report_section")
"""Those that are called in a run; its lock names the plugins that have them."""
HOOKS: tuple[str, ...] = tuple(name for name in vars(HookSpecs) if name.startswith("echokit_"))
