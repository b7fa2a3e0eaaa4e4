"""What plugin authors were promised: names, signatures and hooks are frozen in ``public_api.txt``.

Adding is allowed; run ``python -m tests.test_public_api`` to write the file again. Changing or dropping a line follows
the deprecation policy in ``docs/plugins/stability.md``.
"""

import dataclasses
import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from echokit.plugins.component import KINDS
from echokit.plugins.hookspecs import HOOKS, HookSpecs, Register

FROZEN = Path(__file__).with_name("public_api.txt")
POLICY = Path(__file__).parents[1] / "docs" / "plugins" / "stability.md"
ROOMS = ("echokit", "echokit.testing")


def public_lines() -> Iterator[str]:
    """A line for each promise: names with parameters and defaults, methods, fields, hooks, kinds."""
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in sorted(module.__all__):
            if name != "__version__":
                yield from _lines(f"{room}.{name}", getattr(module, name))
    for name in HOOKS:
        yield f"hook {name}{_signature(getattr(HookSpecs, name))}"
    for kind, says in KINDS.items():
        yield f"kind {kind}: {says}"
        yield f"register.{kind}{_signature(getattr(Register, kind))}"


def _lines(place: str, thing: Any) -> Iterator[str]:
    if not (inspect.isclass(thing) or inspect.isfunction(thing)):
        yield f"{place} = {thing!r}" if isinstance(thing, int) else f"{place}: {type(thing).__name__}"
        return
    yield f"{place}{_signature(thing)}"
    if inspect.isclass(thing):
        fields = {field.name for field in dataclasses.fields(thing)} if dataclasses.is_dataclass(thing) else set()
        for name in sorted(set(vars(thing)) - fields):
            member = vars(thing)[name]
            if not name.startswith("_"):
                yield f"{place}.{name}{_signature(member) if inspect.isfunction(member) else ''}"


def _signature(thing: Any) -> str:
    signature = inspect.signature(thing)
    plain = [
        parameter.replace(
            annotation=inspect.Parameter.empty,
            default=_default(parameter.default),
        )
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    return str(inspect.Signature(plain))


def _default(value: Any) -> Any:
    """Defaults that print the same in every process."""
    made = type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS"
    return "a new one" if made else value  # as in public_api.txt since the first version


def test_every_promise_is_kept() -> None:
    frozen, now = FROZEN.read_text(encoding="utf-8").splitlines(), list(public_lines())
    broken = [line for line in frozen if line not in now]
    assert not broken, "promises to plugin authors would be broken; see docs/plugins/stability.md: " + "; ".join(broken)


def test_every_new_name_is_written_down() -> None:
    frozen, now = FROZEN.read_text(encoding="utf-8").splitlines(), list(public_lines())
    new = [line for line in now if line not in frozen]
    assert not new, "new promises; write them down with python -m tests.test_public_api: " + "; ".join(new)


def test_the_policy_names_everything_that_is_offered() -> None:
    policy = POLICY.read_text(encoding="utf-8")
    for room in ROOMS:
        for name in importlib.import_module(room).__all__:
            assert f"`{name}`" in policy, f"{room}.{name} is offered and not in {POLICY.name}"


def test_type_checkers_see_what_is_offered() -> None:
    import echokit

    source = Path(echokit.__file__).read_text(encoding="utf-8")
    for name in echokit.__all__:
        assert name == "__version__" or f"import {name} as {name}" in source, name


if __name__ == "__main__":
    FROZEN.write_text("".join(line + "\n" for line in public_lines()), encoding="utf-8")
