"""Require that the modules of a plugin are imported quickly."""

from __future__ import annotations

from echokit.plugins.discovery import installed
from echokit.testing.case import require
from echokit.testing.import_probe import SLOW, import_costs
from echokit.testing.watch import first_line


def require_light(plugin: str, module: str) -> str | None:
    """Require that a module of a plugin imports no heavy library and prints nothing.

    All modules of the plugin are measured at once, in one fresh process.

    Args:
        plugin: Name of the plugin.
        module: The module of a component or of a command, or the one with the hooks.

    Returns:
        A note, if the import is slow.

    Raises:
        Failure: It is heavy, or it prints.
    """
    cost = import_costs(_modules(plugin))[module]
    lines = ", ".join(f"{name} {place}" for name, (_, place) in cost.heavy.items())
    advice = "import it in the method that needs it"
    require(not cost.heavy, f"importing {module} imports {cost.describe()}: {advice}", lines)
    require(not cost.printed.strip(), f"importing {module} prints {first_line(cost.printed)}", cost.printed)
    return f"note: importing {module} takes {cost.seconds:.1f} s" if cost.seconds > SLOW else None


def _modules(plugin: str) -> tuple[str, ...]:
    """Return the modules that are imported for what a plugin adds."""
    plugins = installed()
    targets = {component.target for component in plugins.registry.components() if component.plugin == plugin}
    targets |= {command.target for command in plugins.commands if command.plugin == plugin}
    return tuple(sorted({target.partition(":")[0] for target in (plugins.plugin(plugin).module, *targets)}))
