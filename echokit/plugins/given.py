"""Plugins without a package: a single file, or classes of a notebook.

The user names them, so what is wrong with one is an error, not a warning.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from echokit.errors import EchokitError, location_in_package
from echokit.plugins.component import check_name, importable_name, with_article
from echokit.plugins.discovery import GIVEN, NOTEBOOK, Loaded, entries, given_plugin, installed, load
from echokit.plugins.file_format import FileFormat
from echokit.plugins.foreign_code import describe_exception
from echokit.plugins.hookspecs import Register, Target
from echokit.plugins.notebook_source import MAIN, standalone_source
from echokit.plugins.rehearsal import rehearse
from echokit.system.source_modules import SourceModule, provide, source_module, withdraw

HOOK = "\n".join(
    (
        "    from echokit import hookimpl",
        "    @hookimpl",
        "    def echokit_components(register):",
        '        register.mask("half_mask", HalfMask, summary="...")',
    )
)


def use_file(path: Path) -> None:
    """Use the plugin that a single file is; it has the name of the file.

    Raises:
        EchokitError: The file cannot be read or imported, registers nothing, or another plugin has its name.
    """
    try:
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise EchokitError(
            f"the plugin cannot be read: {reason}", where=str(path), code="plugin.file_unreadable"
        ) from None
    check_name("the plugin of a file", path.stem)
    module = SourceModule(f"{GIVEN}{path.stem}", str(path), text)
    if (known := source_module(module.name)) and (known.text == text):
        return
    taken = next((plugin for plugin in entries() if plugin.name == path.stem), None)
    if taken and not (known and Path(known.file).absolute() == path.absolute()):
        raise EchokitError(
            f"there is a plugin named {path.stem!r} already: {taken.package} {taken.version}",
            hint="rename the file",
            where=str(path),
            code="plugin.exists",
        )
    with _provided(module):
        _load(module)


@contextmanager
def _provided(*modules: SourceModule) -> Iterator[None]:
    """Provide modules; if the block fails, what there was before."""
    before = [source_module(module.name) for module in modules]
    provide(*modules)
    try:
        yield
    except BaseException:
        for module, earlier in zip(modules, before, strict=True):
            withdraw(module.name)
            if earlier:
                provide(earlier)
        raise
    finally:
        installed.cache_clear()


def _load(module: SourceModule) -> Loaded:
    """Import a plugin and let it register.

    Raises:
        EchokitError: It fails, or has no hooks.
    """
    plugin = given_plugin(module)
    assert plugin is not None
    if ended := rehearse([functools.partial(load, plugin)]):
        raise EchokitError(f"the plugin cannot be used: {ended[0]}", where=module.file, code="plugin.file_broken")
    try:
        loaded = load(plugin)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit as well
        message, hint = describe_exception(error), None
        if isinstance(error, EchokitError):
            message, hint = error.message, error.hint
        raise EchokitError(
            f"the plugin cannot be used: {message}",
            hint=hint,
            where=location_in_package(error, module.name) or module.file,
            code="plugin.file_broken",
        ) from error
    if not loaded.hooks:
        unmarked = next((name for name in vars(sys.modules[module.name]) if name.startswith("echokit_")), None)
        raise EchokitError(
            "the plugin has no hooks, so it registers nothing",
            hint=f"write @hookimpl above def {unmarked}" if unmarked else f"end the file with\n{HOOK}",
            where=module.file,
            code="plugin.no_hooks",
        )
    return loaded


class NotebookRegister(Register):
    """Register components of a notebook or a script: one method for each kind.

    ``echokit.register.mask("half_mask", HalfMask)`` takes a class. From then on recipes can name it, and a lock holds
    the hash of its source. To register a name again replaces it.
    """

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], str] = {}

    def file(self, path: str | Path) -> None:
        """Use a plugin of a single file, as ``--plugin`` does on the command line.

        Raises:
            EchokitError: The file cannot be read or imported, registers nothing, or another plugin has its name.
        """
        use_file(Path(path))

    def _add(
        self, kind: str, name: str, target: Target, summary: str, mask: bool = False, form: FileFormat | None = None
    ) -> None:
        check_name(with_article(kind), name)
        modules = []
        if isinstance(target, type) and target.__module__ in MAIN:
            text, file = standalone_source(target), f"{NOTEBOOK}/{target.__name__}.py"
            modules = [SourceModule(f"echokit_{NOTEBOOK}_{kind}_{name}", file, text)]
            target = f"{modules[0].name}:{target.__name__}"
        elif not isinstance(target, str):
            target = importable_name(target)
        method = "mask" if mask else kind
        options = f"summary={summary!r}"
        if form is not None:
            magic = [dict(parts) for parts in form.magic]
            options += f", magic={magic!r}, suffixes={form.suffixes!r}, folder={form.folder!r}"
        lines = {**self._lines, (kind, name): f"    register.{method}({name!r}, {target!r}, {options})"}
        text = "\n".join(
            ("from echokit import hookimpl", "@hookimpl", "def echokit_components(register):", *lines.values())
        )
        hooks = SourceModule(f"{GIVEN}{NOTEBOOK}", f"{NOTEBOOK}/hooks.py", text)
        with _provided(*modules, hooks):
            for component in _load(hooks).components:
                if (component.kind, component.name) == (kind, name):
                    component.parameters()
        self._lines = lines


register = NotebookRegister()
