"""A component: a name in a recipe, and the class that it stands for.

The class is imported on first use, so listing all components imports none of them.
"""

from __future__ import annotations

import importlib
import re
import sys
from contextlib import nullcontext
from dataclasses import dataclass
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
                hint=self._remedy(module, error),
                where=location_in_package(error, module.partition(".")[0]) or self.target,
                code="component.import_failed",
            ) from error
        return loaded

    def _remedy(self, module: str, error: BaseException) -> str | None:
        if isinstance(error, ModuleNotFoundError) and module == self.plugin:
            return "in a plugin of one file, register the class itself: register.KIND(name, Class)"
        return "fix or uninstall the plugin" if self.plugin != BUILT_IN else None

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


def with_article(kind: str) -> str:
    """Prepend the indefinite article: ``a mask``, ``an evaluator``."""
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
