"""What every component promises, whatever its kind."""

from __future__ import annotations

import functools
import inspect
import json
import pickle
import subprocess
import sys

from echokit.plugins import installed
from echokit.registry import BUILT_IN
from echokit.schema import validate
from echokit.testing.case import Subject, require

HEAVY = ("torch", "torchvision", "timm", "cv2", "av", "pandas", "sklearn", "scipy", "matplotlib")
"""Libraries that take long to import: validating a recipe must not import them."""

_PROBE = """
import importlib, json, os, sys
heavy, entry, targets = json.loads(sys.stdin.read())
import echokit.registry, echokit.schema, echokit.plugins
def loaded(module):
    reading, writing = os.pipe()
    child = os.fork()  # every target from the same clean start, without a fresh interpreter each
    if not child:
        try:
            importlib.import_module(module)
            answer = [name for name in heavy if name in sys.modules]
        except BaseException:
            answer = []  # the import itself fails in another check
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    return json.loads(os.read(reading, 65536))
print(json.dumps({module: loaded(module) for module in [entry, *targets]}))
"""


def check_is_imported_light(subject: Subject) -> None:
    """Importing its class, and registering it, imports no heavy library."""
    plugin = installed().plugin(subject.component.plugin)
    found = _heavy_imports(plugin.name)
    for what, module in (("registering", plugin.module), ("importing", subject.component.target.partition(":")[0])):
        require(
            not found.get(module),
            f"{what} it imports {', '.join(found.get(module, ()))}: import inside the call instead",
        )


@functools.cache
def _heavy_imports(plugin: str) -> dict[str, list[str]]:
    known = installed()
    targets = sorted({c.target.partition(":")[0] for c in known.registry.components() if c.plugin == plugin})
    question = json.dumps([HEAVY, known.plugin(plugin).module, targets])
    done = subprocess.run([sys.executable, "-c", _PROBE], input=question, capture_output=True, text=True, check=False)
    require(done.returncode == 0, f"its imports could not be looked at: {done.stderr.strip().splitlines()[-1:]}")
    answer: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return answer


def check_has_a_docstring(subject: Subject) -> None:
    """Its class says what it does, and its registration has a summary."""
    require(inspect.getdoc(subject.component.load()), "the class has no docstring")
    require(subject.component.plugin != BUILT_IN or subject.component.summary, "it is registered without a summary")


def check_every_parameter_is_typed_and_described(subject: Subject) -> None:
    """Every parameter is a typed keyword with a line in the docstring's Args section."""
    for name, field in subject.component.parameters().model_fields.items():
        require(field.description, f"the parameter {name!r} has no line in the Args section of the docstring")


def check_constructs(subject: Subject) -> None:
    """It can be made, twice."""
    require(subject.make() is not subject.make(), "making it twice gives the same object")


def check_parameters_survive_json(subject: Subject) -> None:
    """Parameters, defaults included, are valid and the same after being written into a lock; the schema can be made."""
    written = subject.values.model_dump_json()
    again = validate(type(subject.values), json.loads(written))
    require(again.model_dump_json() == written, f"{written} became {again.model_dump_json()}")
    json.dumps(subject.component.parameters().model_json_schema())


def check_pickles_into_workers(subject: Subject) -> None:
    """It can be sent to another process."""
    made = pickle.loads(pickle.dumps(subject.make()))
    require(isinstance(made, subject.component.load()), "it comes back as something else")
