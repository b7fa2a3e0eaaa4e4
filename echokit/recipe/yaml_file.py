"""The strict YAML loader: YAML 1.2 scalars, no tags, no duplicate keys, no bombs, and a line for every value."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import yaml

from echokit.errors import EchokitError
from echokit.files import require_regular
from echokit.recipe.tree import Node, Origin, Scalar

MAX_BYTES = 1_000_000
MAX_NODES = 20_000
MAX_DEPTH = 30

_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_PLAIN_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "map", "seq")}


class _Loader(yaml.SafeLoader):
    """Resolves no scalar by itself: ``scalar`` below does, by the rules of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - yaml's own name


def read_yaml(path: Path, environment: Mapping[str, str] = os.environ) -> Node:
    """Read one YAML file.

    Raises:
        EchokitError: The file is not there, or is not YAML of this strict kind; says file and line.
    """
    try:
        require_regular(path)
        if path.stat().st_size > MAX_BYTES:
            raise EchokitError(f"the file is larger than {MAX_BYTES:,} bytes", where=str(path))
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise EchokitError(f"can not be read: {reason}", where=str(path)) from None
    return parse_yaml(text, str(path), environment)


def parse_yaml(text: str, file: str, environment: Mapping[str, str] = os.environ) -> Node:
    """Parse YAML text; ``file`` is what its origins and errors say."""
    try:
        documents = list(yaml.compose_all(text, Loader=_Loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        said = " ".join(str(part) for part in (error.context, error.problem) if part)
        raise EchokitError(f"not valid YAML: {said}", hint=_layout(said, text, mark), where=where) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise EchokitError(
            f"not valid YAML: {str(error).splitlines()[0] if str(error) else 'too deep'}", where=file
        ) from None
    if len(documents) != 1 or documents[0] is None:
        raise EchokitError(f"expected one YAML document, found {len(documents)}", where=file)
    return _Converter(file, environment).node(documents[0], depth=0)


def _layout(said: str, text: str, mark: yaml.Mark | None) -> str | None:
    """What to look at where the layout of a file is at fault rather than one of its words."""
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())] or "'\\t'" in said:
        return "indent with blanks, not with tabs"
    if any(words in said for words in ("expected <block end>", "mapping values are not allowed", "could not find")):
        return "look at the indentation of this line and of the ones before it, and at its colons"
    return None


def scalar(text: str) -> Scalar:
    """What a plain scalar means in YAML 1.2: ``on`` is text, ``012`` is twelve, ``1e-3`` a number."""
    if text.lower() in _WORDS and (text.islower() or text.istitle() or text.isupper() or text in ("", "~")):
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
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
            raise EchokitError("too many or too deeply nested values", where=str(origin))
        if node.tag not in _PLAIN_TAGS:
            raise EchokitError(f"the tag {node.tag!r} is not allowed: a recipe holds plain data", where=str(origin))
        if isinstance(node, yaml.MappingNode):
            return Node(self.mapping(node, depth), origin)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(item, depth + 1) for item in node.value], origin)
        expanded, variable = self.expand(str(node.value), origin)
        origin = replace(origin, variable=variable)
        if isinstance(node, yaml.ScalarNode) and node.style is None:
            return Node(scalar(expanded), origin)
        return Node(expanded, origin)

    def mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Node]:
        mapping: dict[str, Node] = {}
        for key, value in node.value:
            where = f"{self.file}:{key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise EchokitError("a key must be a plain word", where=where)
            if key.value in mapping:
                raise EchokitError(
                    f"the key {key.value!r} stands twice",
                    hint=f"first at {mapping[key.value].origin}",
                    where=where,
                )
            if key.value == "<<":
                raise EchokitError("merge keys (<<) are not allowed", hint="use 'extends'", where=where)
            if node.flow_style and key.value.isdigit() and isinstance(value, yaml.ScalarNode) and not value.value:
                raise EchokitError(
                    f"{key.value!r} stands alone after a comma",
                    hint="write a decimal point: 0.01, not 0,01",
                    where=where,
                )
            mapping[str(key.value)] = self.node(value, depth + 1)
        return mapping

    def expand(self, text: str, origin: Origin) -> tuple[str, str | None]:
        """Replace ``${NAME:-default}`` by the environment's value; return also which variable was set, if any."""
        used: list[str] = []

        def value(match: re.Match[str]) -> str:
            name, default = match[1], match[2]
            found = self.environment.get(name) or default
            if self.environment.get(name):
                used.append(name)
            if found is None:
                raise EchokitError(
                    f"the environment variable {name} is not set",
                    hint=f"export {name}=..., or write ${{{name}:-default}}",
                    where=str(origin),
                )
            return str(found)

        expanded = _VARIABLE.sub(value, text)
        return expanded, next(iter(used), None)
