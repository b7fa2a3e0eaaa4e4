"""Checks of every component, whatever its kind."""

from __future__ import annotations

import functools
import inspect
import json
import pickle
import subprocess
import sys

from echokit.plugins.discovery import installed
from echokit.plugins.parameters import validate
from echokit.plugins.registry import BUILT_IN
from echokit.testing.case import Subject, require

HEAVY = ("torch", "torchvision", "timm", "cv2", "av", "pandas", "sklearn", "scipy", "matplotlib")
"""Libraries that are slow to import: validating a recipe must not import them."""

_PROBE = """
import importlib, json, os, sys
heavy, entry, targets = json.loads(sys.stdin.read())
import echokit.plugins.registry, echokit.plugins.parameters, echokit.plugins.discovery
def loaded(module):
    if not hasattr(os, "fork"):
        import subprocess
        code = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(list(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code, module], capture_output=True, text=True)
        return [name for name in heavy if not done.returncode and name in json.loads(done.stdout.splitlines()[-1])]
    reading, writing = os.pipe()
    child = os.fork()  # every module starts from the same clean state, without a new interpreter
    if not child:
        try:
            importlib.import_module(module)
            heavy_modules = [name for name in heavy if name in sys.modules]
        except BaseException:
            heavy_modules = []  # another check reports a failing import
        os.write(writing, json.dumps(heavy_modules).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    return json.loads(os.read(reading, 65536))
print(json.dumps({module: loaded(module) for module in [entry, *targets]}))
"""


def check_is_imported_light(subject: Subject) -> None:
    """Neither registering nor importing the class imports a heavy library."""
    plugin = installed().plugin(subject.component.plugin)
    heavy = _heavy_imports(plugin.name)
    for action, module in (("registering", plugin.module), ("importing", subject.component.target.partition(":")[0])):
        require(
            not heavy.get(module),
            f"{action} it imports {', '.join(heavy.get(module, ()))}: move the import into the method that needs it",
        )


@functools.cache
def _heavy_imports(plugin: str) -> dict[str, list[str]]:
    plugins = installed()
    targets = sorted({c.target.partition(":")[0] for c in plugins.registry.components() if c.plugin == plugin})
    probe_input = json.dumps([HEAVY, plugins.plugin(plugin).module, targets])
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], input=probe_input, capture_output=True, text=True, check=False
    )
    require(done.returncode == 0, f"its imports could not be examined: {done.stderr.strip().splitlines()[-1:]}")
    heavy_modules: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return heavy_modules


def check_has_a_docstring(subject: Subject) -> None:
    """The class has a docstring; a built-in component has a summary."""
    require(inspect.getdoc(subject.component.load()), "the class has no docstring")
    require(subject.component.plugin != BUILT_IN or subject.component.summary, "it is registered without a summary")


def check_every_parameter_is_typed_and_described(subject: Subject) -> None:
    """Every parameter is a typed keyword with a line in the docstring's Args section."""
    for name, field in subject.component.parameters().model_fields.items():
        require(field.description, f"the parameter {name!r} has no line in the Args section of the docstring")


def check_constructs(subject: Subject) -> None:
    """It can be constructed twice."""
    require(subject.make() is not subject.make(), "constructing it twice gives the same object")


def check_parameters_survive_json(subject: Subject) -> None:
    """Parameters survive a round trip through a lock and have a JSON schema."""
    before = subject.values.model_dump_json()
    after = validate(type(subject.values), json.loads(before))
    require(after.model_dump_json() == before, f"{before} became {after.model_dump_json()}")
    json.dumps(subject.component.parameters().model_json_schema())


def check_pickles_into_workers(subject: Subject) -> None:
    """It can be sent to another process."""
    copy = pickle.loads(pickle.dumps(subject.make()))
    require(isinstance(copy, subject.component.load()), "unpickling gives another type")
