"""A strict YAML loader: YAML 1.2, no tags, a line number for each value."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from echokit.errors import EchokitError, shortened
from echokit.recipe.tree import Node, Origin, Scalar
from echokit.system.files import require_regular

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
MAX_DEPTH = 30
LARGEST = 2**63 - 1
"""Whole numbers of a recipe fit into 64 bits, as those of numpy, torch and the files of a run."""
MOST_DIGITS = 1000

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq")}


class _Loader(yaml.SafeLoader):
    """Leaves scalars as text; ``scalar`` below resolves them by the rules of YAML 1.2.

    Stops at the first value beyond the limits, so that a large file is refused fast.
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml's own name

    def __init__(self, text: str, file: str) -> None:
        super().__init__(text)
        self.file = file
        self.count = 0
        self.depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        key = index is None and isinstance(parent, yaml.MappingNode)
        self.count += not key
        if self.count > MAX_NODES or self.depth > MAX_DEPTH:
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise _too_many_values(f"{self.file}:{event.start_mark.line + 1}")
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _too_many_values(where: str) -> EchokitError:
    return EchokitError(
        f"more than {MAX_NODES:,} values, or more than {MAX_DEPTH} levels of nesting",
        where=where,
        code="yaml.too_many_values",
    )


def read_yaml(path: Path, environment: Mapping[str, str] = os.environ) -> Node:
    """Read one YAML file.

    Raises:
        EchokitError: The file is missing or not strict YAML; with file and line.
    """
    try:
        require_regular(path)
        if path.stat().st_size > MAX_BYTES:
            raise EchokitError(f"the file is larger than {MAX_BYTES:,} bytes", where=str(path), code="yaml.too_large")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise EchokitError(f"the file cannot be read: {reason}", where=str(path), code="yaml.unreadable") from None
    return parse_yaml(text, str(path), environment)


def parse_yaml(text: str, file: str, environment: Mapping[str, str] = os.environ) -> Node:
    """Parse YAML text; ``file`` is its name in origins and errors."""
    try:
        documents = _documents(text, file)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        message = " ".join(str(part) for part in (error.context, error.problem) if part)
        hint = _layout_hint(message, text, mark)
        raise EchokitError(f"not valid YAML: {message}", hint=hint, where=where, code="yaml.invalid") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else "too deep"
        raise EchokitError(f"not valid YAML: {reason}", where=file, code="yaml.invalid") from None
    if len(documents) != 1 or documents[0] is None:
        message = f"expected one YAML document, found {len(documents)}"
        raise EchokitError(message, where=file, code="yaml.not_one_document")
    return _Converter(file, environment).node(documents[0], depth=0)


def _documents(text: str, file: str) -> list[yaml.Node | None]:
    loader = _Loader(text, file)
    try:
        documents = []
        while loader.check_node():
            documents.append(loader.get_node())
        return documents
    finally:
        loader.dispose()


def _layout_hint(message: str, text: str, mark: yaml.Mark | None) -> str | None:
    """Return a hint for errors of indentation."""
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in message:
        return "indent with spaces, not with tabs"
    if any(
        phrase in message for phrase in ("expected <block end>", "mapping values are not allowed", "could not find")
    ):
        return "check the indentation of this line and the lines before it, and its colons"
    return None


def scalar(text: str) -> Scalar:
    """Resolve a plain scalar by YAML 1.2.

    ``on`` is text, ``012`` is twelve, ``1e-3`` is a number.
    """
    if text.lower() in _CONSTANTS and (text.islower() or text.istitle() or text.isupper() or text in ("", "~")):
        return _CONSTANTS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) <= MOST_DIGITS else math.inf  # Python reads no integer of thousands of digits
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


class _Converter:
    def __init__(self, file: str, environment: Mapping[str, str]) -> None:
        self.file = file
        self.environment = environment
        self.count = 0

    def node(self, node: yaml.Node, depth: int) -> Node:
        origin = Origin(self.file, node.start_mark.line + 1)
        self.count += 1
        if self.count > MAX_NODES or depth > MAX_DEPTH:
            raise _too_many_values(str(origin))
        if node.tag not in _PLAIN_TAGS:
            message = f"the tag {node.tag!r} is not allowed: a recipe holds plain data"
            raise EchokitError(message, where=str(origin), code="yaml.tag")
        if isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, depth), origin)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(item, depth + 1) for item in node.value], origin)
        expanded, variable = self.expand(str(node.value), origin)
        origin = replace(origin, variable=variable)
        if "\0" in expanded:  # no file, column or name has one
            raise EchokitError("the value has a NUL character", where=str(origin), code="yaml.nul")
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            value = scalar(expanded)
            whole = isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST
            if whole or (isinstance(value, float) and math.isinf(value)):
                raise EchokitError(
                    f"the number {shortened(expanded)} is too large",
                    hint="whole numbers have 64 bits, and decimal numbers an exponent up to 308",
                    where=str(origin),
                    code="yaml.number_too_large",
                )
            return Node(value, origin)
        return Node(expanded, origin)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key, value in node.value:
            where = f"{self.file}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode) or "\0" in key.value:
                raise EchokitError("a key must be a plain word", where=where, code="yaml.bad_key")
            if key.value in mapping:
                raise EchokitError(
                    f"duplicate key {key.value!r}",
                    hint=f"first at {mapping[key.value].origin}",
                    where=where,
                    code="yaml.duplicate_key",
                )
            if key.value == "<<":
                message = "merge keys (<<) are not allowed"
                raise EchokitError(message, hint="use 'extends'", where=where, code="yaml.merge_key")
            if node.flow_style and key.value.isdigit() and isinstance(value, yaml.ScalarNode) and not value.value:
                raise EchokitError(
                    f"{key.value!r} after a comma has no value",
                    hint="write a decimal point: 0.01, not 0,01",
                    where=where,
                    code="yaml.decimal_comma",
                )
            mapping[str(key.value)] = self.node(value, depth + 1)
        return mapping

    def expand(self, text: str, origin: Origin) -> tuple[str, str | None]:
        """Expand ``${NAME:-default}``; return the text and the variable used."""
        used: list[str] = []

        def value(match: re.Match[str]) -> str:
            name, default = match[1], match[2]
            expansion = self.environment.get(name) or default
            if self.environment.get(name):
                used.append(name)
            if expansion is None:
                raise EchokitError(
                    f"the environment variable {name} is not set",
                    hint=f"export {name}=..., or write ${{{name}:-default}}",
                    where=str(origin),
                    code="yaml.unset_variable",
                )
            return str(expansion)

        end = text.rfind("}") + 1  # nothing to search after it: text with many open braces would take minutes
        expanded = _VARIABLE.sub(value, text[:end]) + text[end:]
        return expanded, next(iter(used), None)
