"""Suite: a YAML file of recipes and columns from which a table is computed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from echokit.errors import EchokitError, RecipeError, did_you_mean
from echokit.plugins.parameters import InvalidParameters, validate
from echokit.recipe.tree import Node
from echokit.recipe.yaml_file import read_yaml

ScaleName = Literal["tiny", "small", "full"]
SCALES: tuple[ScaleName, ...] = ("tiny", "small", "full")
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
Values = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Strict):
    """One row of a table: a recipe, or a measure."""

    name: Word = Field(description="Name of the row and of its folder.")
    label: str = Field("", description="Label in the table; the name by default.")
    recipe: str | None = Field(None, description="A shipped recipe, or a path relative to the suite file.")
    set: Values = Field(default_factory=dict, description="Overrides of the recipe.")
    weights_from: str | None = Field(
        None, description="Row that provides the initial weights: its name, or suite/row of a shipped suite."
    )
    measure: str | None = Field(None, description="A measure instead of a recipe.")
    options: Values = Field(default_factory=dict, description="Options of the measure.")
    options_at: dict[ScaleName, Values] = Field(default_factory=dict, description="Options at one scale.")
    published: Values = Field(
        default_factory=dict, description="Selects the row of the published table: column to value."
    )
    scales: tuple[ScaleName, ...] = Field(SCALES, description="Scales at which it runs unless --row requests it.")


class Scale(_Strict):
    """The amount of work at one scale."""

    seeds: tuple[int, ...] = Field((0,), min_length=1, description="Seeds; one cell per row and seed.")
    set: Values = Field(default_factory=dict, description="Overrides of every recipe, before those of the row.")
    options: Values = Field(default_factory=dict, description="Options of every measure, before those of the row.")


class Published(_Strict):
    """A published table to show beside the values of the suite."""

    table: Word = Field(description="A CSV file in benchmarks/reference, without its extension.")
    columns: dict[str, str | tuple[str, str]] = Field(
        description="Our column to its column, or to its columns of mean and SD."
    )
    source: str = Field(description="Source of the table.")


class Paired(_Strict):
    """A question that is answered by comparing pairs of rows on the same test cases."""

    question: str
    pairs: list[tuple[str, str]] = Field(description="Rows, the second minus the first.", min_length=1)
    metric: Literal["auroc", "auprc", "accuracy"] = "auroc"


class Observation(_Strict):
    """A published observation to test on the rows of the suite."""

    claim: str
    column: str = Field(description="Column of the table.")
    rows: list[str] = Field(description="Rows to compare, in order.", min_length=2)
    highest: str | None = Field(None, description="Row with the highest value, according to the claim.")
    along: Literal["rises", "falls"] | None = Field(
        None, description="Trend of the value along the rows, according to the claim."
    )
    of: Literal["number", "fold_sd"] = "number"
    published: str = Field("", description="What the published numbers show.")


class SuiteSettings(_Strict):
    """The keys of a suite."""

    suite: Word
    title: str
    about: str = Field("", description="Text above the table.")
    scales: dict[ScaleName, Scale] = Field(min_length=1)
    columns: list[str] = Field(default_factory=list)
    rows: list[Row] = Field(min_length=1)
    published: Published | None = None
    paired: list[Paired] = Field(default_factory=list)
    observations: list[Observation] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="Notes below the table.")


@dataclass(frozen=True)
class Suite:
    """A suite at one scale.

    Attributes:
        settings: The content of the file.
        scale: Name of the scale.
        path: The file.
    """

    settings: SuiteSettings
    scale: ScaleName
    path: Path

    @property
    def name(self) -> str:
        """Name of the suite."""
        return self.settings.suite

    @property
    def work(self) -> Scale:
        """The amount of work at its scale."""
        return self.settings.scales[self.scale]

    @property
    def rows(self) -> list[Row]:
        """The rows that run at its scale."""
        return [row for row in self.settings.rows if self.scale in row.scales]

    def row(self, name: str) -> Row:
        """Look up a row by name, whatever its scales.

        Raises:
            EchokitError: There is no such row.
        """
        names = [row.name for row in self.settings.rows]
        if name not in names:
            hint = did_you_mean(name, names) or f"the rows are {', '.join(names)}"
            raise EchokitError(
                f"the suite {self.name!r} has no row {name!r}",
                hint=hint,
                where=str(self.path),
                code="suite.unknown_row",
            )
        return self.settings.rows[names.index(name)]


def _shipped(name: str) -> Path:
    """Find a shipped folder, in the installed package or in a checkout."""
    package = Path(__file__).parents[2]
    inside = package / name
    return inside if inside.is_dir() else package.parent / "benchmarks" / name


def suites_folder() -> Path:
    """Return the folder of the shipped suites."""
    return _shipped("suites")


def reference_folder() -> Path:
    """Return the folder of the published tables."""
    return _shipped("reference")


def shipped_suites() -> list[str]:
    """List the names of the shipped suites."""
    return sorted(path.stem for path in suites_folder().glob("*.yaml"))


def read_suite(name: str, scale: ScaleName) -> Suite:
    """Read a suite by path, or by the name of a shipped one.

    Raises:
        EchokitError: There is no such suite, or it has no such scale.
        RecipeError: Contains every mistake in the file, each with its line.
    """
    path = Path(name).expanduser()
    if not path.is_file() and not path.suffix:
        path = suites_folder() / f"{name}.yaml"
    if not path.is_file():
        names = shipped_suites()
        raise EchokitError(
            f"there is no suite {name!r}",
            hint=did_you_mean(name, names) or f"give a path, or one of {', '.join(names)}",
            code="suite.unknown",
        )
    tree = read_yaml(path, environment={})
    try:
        settings = validate(SuiteSettings, tree.plain())
    except InvalidParameters as invalid:
        raise RecipeError([_with_line(tree, problem) for problem in invalid.problems]) from None
    problems = list(_contradictions(settings, tree))
    if problems:
        raise RecipeError(problems)
    if scale not in settings.scales:
        raise EchokitError(
            f"the suite {settings.suite!r} has no scale {scale!r}",
            hint=f"it has {', '.join(settings.scales)}",
            where=str(path),
            code="suite.unknown_scale",
        )
    return Suite(settings, scale, path)


def flat_overrides(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested values to pairs of ``a.b.c`` and value.

    Lists and mappings that name a component with ``use`` stay whole, because a recipe replaces them as a whole.
    """
    for key, value in values.items():
        path = f"{at}{key}"
        if isinstance(value, Mapping) and value and "use" not in value:
            yield from flat_overrides(value, f"{path}.")
        else:
            yield path, value


def _with_line(tree: Node, problem: Any) -> EchokitError:
    path = ".".join(str(step) for step in problem.place)
    where = str(tree.at(problem.place).origin)
    return EchokitError(f"{path}: {problem.message}", hint=problem.hint, where=where, code="parameter.invalid")


def _contradictions(settings: SuiteSettings, tree: Node) -> Iterator[EchokitError]:
    """Yield the mistakes that a schema cannot express, each with its line."""
    from echokit.tools.bench.columns import column_named

    names = [row.name for row in settings.rows]

    def mistake(key: str, index: int, message: str, hint: str | None, code: str) -> EchokitError:
        section, dot, field = key.partition(".")
        where = str(tree.at((section, index)).origin)
        return EchokitError(f"{section}.{index}{dot}{field}: {message}", hint=hint, where=where, code=code)

    def unknown_row(key: str, index: int, name: str) -> EchokitError:
        return mistake(key, index, f"there is no row {name!r}", did_you_mean(name, names), "suite.unknown_row")

    for index, row in enumerate(settings.rows):
        source = row.weights_from
        if names.index(row.name) != index:
            yield mistake("rows", index, f"a second row is named {row.name!r}", "rename it", "suite.duplicate_row")
        if (row.recipe is None) == (row.measure is None):
            yield mistake("rows", index, "give a recipe or a measure", "one of the two", "suite.recipe_or_measure")
        if source and not re.fullmatch(r"(\w[\w-]*/)?\w[\w-]*", source):
            message = f"{source!r} is not the name of a row"
            yield mistake("rows.weights_from", index, message, "row, or suite/row", "suite.bad_weights_from")
        elif source and "/" not in source and source not in names:
            yield unknown_row("rows.weights_from", index, source)
    for index, spec in enumerate(settings.columns):
        try:
            column_named(spec)
        except EchokitError as error:
            yield mistake("columns", index, error.message, error.hint, error.code)
    for index, observation in enumerate(settings.observations):
        for name in {*observation.rows, *filter(None, [observation.highest])} - set(names):
            yield unknown_row("observations", index, name)
        if (observation.highest is None) == (observation.along is None):
            yield mistake("observations", index, "give highest or along", "one of the two", "suite.highest_or_along")
    for index, paired in enumerate(settings.paired):
        for name in {name for pair in paired.pairs for name in pair} - set(names):
            yield unknown_row("paired", index, name)
