"""The registry of components: from a name in a recipe to a class.

A component is registered by its name and its target (``package.module:Class``). The class is imported on first use, so
listing all components imports none of them.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from echokit.errors import EchokitError, did_you_mean, location_in_package, shortened
from echokit.plugins.file_format import FileFormat
from echokit.plugins.foreign_code import describe_exception, output_to_stderr
from echokit.system.hashing import digest, distribution_hash, package_hash
from echokit.system.source_modules import source_module

if TYPE_CHECKING:
    from pydantic import BaseModel

GROUP = "echokit"
"""The group of the entry points of plugins."""

BUILT_IN = "echokit"
"""Plugin name of the built-in components."""

KINDS: dict[str, str] = {
    "dataset": "reads a table of cases: () -> Cohort",
    "preprocessor": "changes a whole video, or derives a stream from it: (Clip) or (Clip, case) -> Clip",
    "sampler": "chooses the frames of each sample: (lengths or clips, split, epoch, seed) -> Windows",
    "augmentation": "changes samples in training, on the device: (streams or batch, generator) -> the same",
    "backbone": "makes features of one stream: (InputShape) -> nn.Module",
    "fusion": "joins the backbones of the streams: ({stream: InputShape}, backbone) -> nn.Module",
    "objective": "says what is learned: (Targets) -> Objective",
    "optimizer": "updates the weights, beside those of torch and timm: (groups, lr, weight_decay) -> torch Optimizer",
    "scheduler": "sets the learning rate, beside those of torch and timm: (SchedulePosition) -> factor of the rate",
    "resampler": "divides a cohort: (Cohort, seed) -> folds",
    "evaluator": "measures predictions: (Predictions) -> Evaluation",
    "threshold_rule": "chooses a threshold on the validation patients: (y, score) -> float",
    "calibrator": "turns scores into probabilities: fit(ValidationScores) -> parameters, apply(parameters, score)",
    "aggregator": "combines a metric over the folds of a cross-validation: (FoldMetrics) -> list of Metric",
    "reader": "reads a format of video files: (path, frames, max_bytes) -> Clip",
    "callback": "follows the training of each fold, and may stop it: an echokit.Callback",
}

CODE_ROOTS: dict[str, tuple[str, ...]] = {
    "dataset": ("echokit.data.cohort",),
    "dataset phantom": ("echokit.phantom",),
    "preprocessor": ("echokit.data.preprocess",),
    "sampler": ("echokit.data.sampling",),
    "augmentation": ("echokit.data.sampling",),
    "backbone": ("echokit.models",),
    "fusion": ("echokit.models",),
    "objective": ("echokit.training.objectives",),
    "optimizer": ("echokit.training.optimizers",),
    "scheduler": ("echokit.training.schedulers",),
    "resampler": ("echokit.data.splits",),
    "evaluator": ("echokit.evaluation",),
    "threshold_rule": ("echokit.evaluation.threshold_rules", "echokit.evaluation.statistics"),
    "calibrator": ("echokit.training.calibrators",),
    "aggregator": ("echokit.evaluation",),
    "reader": ("echokit.data.video",),
    "callback": ("echokit.training.trackers",),
}
"""Packages whose code defines the built-in components of a kind, or of a kind and a name."""


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_PLUGIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def check_name(what: str, name: object, *, dots: bool = False) -> None:
    """Check that a name is a plain word, which a recipe and a command line can hold.

    Args:
        what: What has the name, for the message.
        name: The name; plugins give what they like.
        dots: Whether it may have dots.

    Raises:
        EchokitError: It is not.
    """
    if not isinstance(name, str) or not (_PLUGIN_NAME if dots else _NAME).fullmatch(name):
        raise EchokitError(
            f"{ascii(name)[:100]} cannot name {what}",
            hint="use letters, digits, '_' and '-', at most 80 of them",
            code="component.bad_name",
        )


def importable_name(target: object) -> str:
    """Return ``package.module:Class`` of a class.

    Raises:
        EchokitError: It is no class, or no module has it under its name, so that no other process could import it.
    """
    if not isinstance(target, type):
        raise EchokitError(
            f"the target {shortened(repr(target))} is no class",
            hint="write 'package.module:Class', or the class",
            code="component.bad_target",
        )
    name = target.__qualname__
    if getattr(sys.modules.get(target.__module__), name, None) is not target:
        raise EchokitError(
            f"the class {name!r} is not what {target.__module__!r} has under this name",
            hint="define it at the top level of its module",
            code="component.bad_target",
        )
    return f"{target.__module__}:{name}"


def parse_kind(word: str) -> str:
    """Return the kind of a singular or plural word.

    Raises:
        EchokitError: There is no such kind.
    """
    kind = word.removesuffix("s")
    if kind not in KINDS:
        raise EchokitError(
            f"there is no kind of component {word!r}",
            hint=did_you_mean(kind, KINDS) or f"the kinds are {', '.join(KINDS)}",
            code="component.unknown_kind",
        )
    return kind


@dataclass(frozen=True, slots=True)
class Component:
    """A named factory of one kind.

    Attributes:
        kind: One of ``KINDS``.
        name: Its name in recipes.
        target: ``package.module:Class``.
        plugin: Name of the plugin that registered it (``echokit`` for built-in components).
        summary: One line for lists.
        mask: For a preprocessor: whether it blanks a region of every frame.
        format: For a reader: how its files are recognized.
    """

    kind: str
    name: str
    target: str
    plugin: str
    summary: str = ""
    mask: bool = False
    format: FileFormat | None = None

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            EchokitError: The module or the class is missing, or fails to import.
        """
        module, _, attribute = self.target.partition(":")
        quiet = nullcontext() if self.plugin == BUILT_IN or module in sys.modules else output_to_stderr()
        try:
            with quiet:
                loaded: type[Any] = getattr(importlib.import_module(module), attribute)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit as well
            raise EchokitError(
                f"the {self.kind} {self.name!r} of the plugin {self.plugin!r} cannot be imported: "
                f"{describe_exception(error)}",
                hint="fix or uninstall the plugin" if self.plugin != BUILT_IN else None,
                where=location_in_package(error, module.partition(".")[0]) or self.target,
                code="component.import_failed",
            ) from error
        return loaded

    @property
    def full_name(self) -> str:
        """Its name among all plugins: ``plugin:name``; bare for a built-in one."""
        return self.name if self.plugin == BUILT_IN else f"{self.plugin}:{self.name}"

    def is_built_in(self, name: str) -> bool:
        """Return whether this is the built-in component of a name, not that of a plugin."""
        return self.plugin == BUILT_IN and self.name == name

    def parameters(self) -> type[BaseModel]:
        """Build the pydantic model of its parameters.

        Raises:
            EchokitError: The class cannot be imported, or its parameters are not typed keywords.
        """
        from echokit.plugins.parameters import parameters  # a list needs no pydantic

        target = self.load()
        try:
            return parameters(target)
        except Exception as error:
            name = f"the {self.kind} {self.name!r} of the plugin {self.plugin!r}"
            if isinstance(error, EchokitError):
                message = f"{name}: {error.message}"
                raise EchokitError(message, hint=error.hint, where=error.where, code=error.code) from error
            # An annotation that names nothing, or a bound that does not fit its type.
            message = f"{name}: the parameters cannot be read: {type(error).__name__}: {error}"
            raise EchokitError(message, where=self.target, code="component.bad_signature") from error

    def code_hash(self) -> str:
        """Hash the code that the component may depend on.

        For a built-in component these are the packages of its kind, see ``CODE_ROOTS``; for another one all packages
        of its plugin's distribution, data files included, and its version, or the text of its module if it is in no
        package.
        """
        if self.plugin != BUILT_IN:
            return plugin_hash(self.plugin, self.target.partition(":")[0])
        roots = CODE_ROOTS.get(f"{self.kind} {self.name}") or CODE_ROOTS[self.kind]
        return digest([package_hash(root) for root in roots])


def plugin_hash(plugin: str, module: str) -> str:
    """Hash all packages of a plugin's distribution, or its text if it is in none.

    Data files and the version are included.

    Args:
        plugin: Name of its entry point.
        module: One of its modules, which counts in any case.
    """
    if given := source_module(module):
        return given.hash
    entry = next(iter(entry_points(group=GROUP, name=plugin)), None)
    return distribution_hash(entry.dist if entry else None, module.partition(".")[0])


@dataclass
class Registry:
    """All known components.

    A bare name means the built-in component if there is one. A name that two plugins register is ambiguous until
    ``plugin:name`` selects one.

    Attributes:
        plugins: Names of the plugins that are loaded.
        absent: What to say of a plugin that is installed but not loaded, by its name.
    """

    plugins: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    _components: dict[tuple[str, str], list[Component]] = field(default_factory=dict)

    def add(self, component: Component) -> None:
        """Add a component.

        Raises:
            EchokitError: The kind is unknown, the name is no plain word, the target is not ``module:Class``, a
                summary or mask has another type, or the plugin registers a name twice.
        """
        parse_kind(component.kind)
        check_name(with_article(component.kind), component.name)
        if not isinstance(component.target, str) or component.target.count(":") != 1:
            raise EchokitError(
                f"the target of {component.name!r} is {component.target!r}",
                hint="write 'package.module:Class'",
                code="component.bad_target",
            )
        if not isinstance(component.summary, str) or not isinstance(component.mask, bool):
            raise EchokitError(
                f"{component.name!r} is registered with another type of summary or mask",
                hint="summary is text; mask is True or False",
                code="component.bad_registration",
            )
        same_name = self._components.setdefault((component.kind, component.name), [])
        if any(other.plugin == component.plugin for other in same_name):
            raise EchokitError(
                f"the plugin {component.plugin!r} registers the {component.kind} {component.name!r} twice",
                code="component.registered_twice",
            )
        same_name.append(component)
        same_name.sort(key=lambda other: other.plugin != BUILT_IN)  # the built-in one first

    def get(self, kind: str, name: str) -> Component:
        """Return the component of the name ``name`` or ``plugin:name``.

        Raises:
            EchokitError: No component has the name, its plugin is not loaded, or several plugins register it and
                echokit does not.
        """
        plugin, _, bare = name.rpartition(":")
        matches = [c for c in self._components.get((kind, bare), []) if not plugin or c.plugin == plugin]
        if not matches and plugin not in ("", *self.plugins):
            raise self._no_plugin(plugin)
        if not matches:
            names = self.names(kind)
            raise EchokitError(
                f"there is no {kind} {shortened(name)!r}",
                hint=did_you_mean(name, names) or f"the {kind}s are {', '.join(names)}",
                code="component.unknown",
            )
        if len(matches) > 1 and matches[0].plugin != BUILT_IN:
            claims = " and ".join(f"'{c.full_name}' ({c.target})" for c in matches)
            raise EchokitError(
                f"several plugins register the {kind} {name!r}: {claims}",
                hint="write the full name of one",
                code="component.ambiguous",
            )
        return matches[0]

    def _no_plugin(self, name: str) -> EchokitError:
        if why := self.absent.get(name):
            return EchokitError(why, hint="see echokit plugin list", code="component.no_plugin")
        return EchokitError(
            f"no plugin named {shortened(name)!r} is installed",
            hint=did_you_mean(name, self.plugins)
            or "install its package (echokit plugin list --available), or name its file: --plugin FILE",
            code="component.no_plugin",
        )

    def kind_of(self, name: str, kinds: Sequence[str]) -> str:
        """Return the first of several kinds that has a component of a name.

        If none has, the first that has a similar name, else the first.
        """
        plugin, _, bare = name.rpartition(":")
        known = [k for k in kinds if any(not plugin or c.plugin == plugin for c in self._components.get((k, bare), []))]
        similar = (kind for kind in kinds if did_you_mean(name, self.names(kind)))
        return known[0] if known else next(similar, kinds[0])

    def name_of(self, component: Component) -> str:
        """Return the shortest name of a component.

        It is bare if the bare name means this component, else ``plugin:name``.
        """
        first, *others = self._components[component.kind, component.name]
        unique = component is first and (not others or first.plugin == BUILT_IN)
        return component.name if unique else component.full_name

    def name_of_instance(self, kind: str, instance: object) -> str:
        """Return the full name of the component that made an instance.

        The name of its class, if it is none of a component.
        """
        for component in self.components([kind]):
            module, _, attribute = component.target.partition(":")
            if getattr(sys.modules.get(module), attribute, None) is type(instance):
                return component.full_name
        return type(instance).__name__

    def names(self, kind: str) -> list[str]:
        """List the shortest names of one kind, sorted."""
        return [self.name_of(component) for component in self.components([kind])]

    def conflicts(self) -> list[list[Component]]:
        """Group the components whose name several plugins register, a built-in one first."""
        return [components for components in self._components.values() if len(components) > 1]

    def registered(self, kind: str) -> list[Component]:
        """List the components of one kind in the order of their registration."""
        return [c for (of_kind, _), group in self._components.items() if of_kind == kind for c in group]

    def components(self, kinds: Iterable[str] = KINDS) -> list[Component]:
        """List all components of some kinds, by kind and shortest name."""
        found: list[Component] = []
        for kind in kinds:
            found += sorted(self.registered(kind), key=self.name_of)
        return found


def with_article(kind: str) -> str:
    """Prepend the indefinite article: ``a mask``, ``an evaluator``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
