"""Checks of every component, whatever its kind."""

from __future__ import annotations

import inspect
import json
import pickle

from echokit.plugins.component import BUILT_IN
from echokit.plugins.parameters import validate
from echokit.testing.case import Subject, require
from echokit.testing.light_imports import require_light


def check_is_imported_light(subject: Subject) -> str | None:
    """Importing the class imports no heavy library, and prints nothing."""
    return require_light(subject.component.plugin, subject.component.target.partition(":")[0])


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
