"""Suite: a YAML file that names recipes and columns; from it a table is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from echokit.errors import EchokitError, RecipeError, did_you_mean
from echokit.recipe.tree import Node
from echokit.recipe.yaml_file import read_yaml
from echokit.schema import InvalidParameters, validate

ScaleName = Literal["tiny", "small", "full"]
SCALES: tuple[ScaleName, ...] = ("tiny", "small", "full")
Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$")]
Values = dict[str, Any]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Row(_Strict):
    """One row of a table: a recipe, or a measure."""

    name: Word = Field(description="Names the row's folder, and the row elsewhere in the suite.")
    label: str = Field("", description="What the table calls it; the name by default.")
    recipe: str | None = Field(None, description="A shipped recipe, or a path relative to the suite's file.")
    set: Values = Field(default_factory=dict, description="Laid over the recipe.")
    weights_from: str | None = Field(
        None, description="Start from the weights of another row: its name, or suite/row of a shipped suite."
    )
    measure: str | None = Field(None, description="A measure (see echokit bench --measures) in place of a recipe.")
    options: Values = Field(default_factory=dict, description="Passed to the measure.")
    options_at: dict[ScaleName, Values] = Field(default_factory=dict, description="The same, at one scale.")
    published: Values = Field(default_factory=dict, description="The row of the published table: column to value.")
    scales: tuple[ScaleName, ...] = Field(SCALES, description="At which it is made when --row does not ask for it.")


class Scale(_Strict):
    """How much work a scale is."""

    seeds: tuple[int, ...] = Field((0,), min_length=1, description="One cell each.")
    set: Values = Field(default_factory=dict, description="Laid over every recipe, before the row's own.")
    options: Values = Field(default_factory=dict, description="Passed to every measure, before the row's own.")


class Published(_Strict):
    """A published table that the suite's values are shown beside."""

    table: Word = Field(description="A CSV under benchmarks/reference, without its ending.")
    columns: dict[str, str | tuple[str, str]] = Field(description="Our column to its, or to those of mean and SD.")
    source: str = Field(description="Where it was published.")


class Paired(_Strict):
    """A question that pairs of rows answer, on the same test cases."""

    question: str
    pairs: list[tuple[str, str]] = Field(description="Rows, the second minus the first.", min_length=1)
    metric: Literal["auroc", "auprc", "accuracy"] = "auroc"


class Observation(_Strict):
    """Something that was observed elsewhere, and is looked for among our rows."""

    claim: str
    column: str = Field(description="Of the table.")
    rows: list[str] = Field(description="Along which it is looked for.", min_length=2)
    highest: str | None = Field(None, description="The row that is claimed to have the highest value.")
    along: Literal["rises", "falls"] | None = Field(None, description="How the value is claimed to go along the rows.")
    of: Literal["number", "fold_sd"] = "number"
    published: str = Field("", description="What the published numbers themselves say of it.")


class SuiteSettings(_Strict):
    """The keys of a suite."""

    suite: Word
    title: str
    about: str = Field("", description="Stands above the table.")
    scales: dict[ScaleName, Scale] = Field(min_length=1)
    columns: list[str] = Field(default_factory=list)
    rows: list[Row] = Field(min_length=1)
    published: Published | None = None
    paired: list[Paired] = Field(default_factory=list)
    observations: list[Observation] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list, description="Stand below the table.")


@dataclass(frozen=True)
class Suite:
    """A suite at one scale.

    Attributes:
        settings: As written.
        scale: Which of its scales.
        path: Its file.
    """

    settings: SuiteSettings
    scale: ScaleName
    path: Path

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.suite

    @property
    def work(self) -> Scale:
        """How much work its scale is."""
        return self.settings.scales[self.scale]

    @property
    def rows(self) -> list[Row]:
        """The rows that are made at its scale."""
        return [row for row in self.settings.rows if self.scale in row.scales]

    def row(self, name: str) -> Row:
        """The row of a name, whatever the scale.

        Raises:
            EchokitError: There is none.
        """
        names = [row.name for row in self.settings.rows]
        if name not in names:
            hint = did_you_mean(name, names) or f"the rows are {', '.join(names)}"
            raise EchokitError(f"the suite {self.name!r} has no row {name!r}", hint=hint, where=str(self.path))
        return self.settings.rows[names.index(name)]


def suites_folder() -> Path:
    """Where the shipped suites lie: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).parent.parent
    inside = package / "suites"
    return inside if inside.is_dir() else package.parent / "benchmarks" / "suites"


def reference_folder() -> Path:
    """Where the published tables lie."""
    package = Path(__file__).parent.parent
    inside = package / "reference"
    return inside if inside.is_dir() else package.parent / "benchmarks" / "reference"


def shipped_suites() -> list[str]:
    """Names of the shipped suites."""
    return sorted(path.stem for path in suites_folder().glob("*.yaml"))


def read_suite(name: str, scale: ScaleName) -> Suite:
    """Read a suite by path, or by the name of a shipped one.

    Raises:
        EchokitError: There is no such suite, or it lacks the scale.
        RecipeError: Carries every mistake in it, each with its file and line.
    """
    path = Path(name).expanduser()
    if not path.is_file() and not path.suffix:
        path = suites_folder() / f"{name}.yaml"
    if not path.is_file():
        known = shipped_suites()
        raise EchokitError(
            f"there is no suite {name!r}",
            hint=did_you_mean(name, known) or f"give a path, or one of {', '.join(known)}",
        )
    tree = read_yaml(path, environment={})
    try:
        settings = validate(SuiteSettings, tree.plain())
    except InvalidParameters as invalid:
        raise RecipeError([_placed(tree, problem) for problem in invalid.problems]) from None
    problems = list(_contradictions(settings, tree))
    if problems:
        raise RecipeError(problems)
    if scale not in settings.scales:
        raise EchokitError(
            f"the suite {settings.suite!r} has no scale {scale!r}",
            hint=f"it has {', '.join(settings.scales)}",
            where=str(path),
        )
    return Suite(settings, scale, path)


def flat_overrides(values: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Flatten nested values to ``a.b.c`` and leaf, a changed ``use`` before what goes with it.

    A mapping that names a component stays whole, as does a list: that is how a recipe replaces them.
    """
    for key, value in values.items():
        place = f"{at}{key}"
        if isinstance(value, Mapping) and value and "use" not in value:
            yield from flat_overrides(value, f"{place}.")
        else:
            yield place, value


def _placed(tree: Node, problem: Any) -> EchokitError:
    place = ".".join(str(step) for step in problem.place)
    return EchokitError(f"{place}: {problem.message}", hint=problem.hint, where=str(tree.at(problem.place).origin))


def _contradictions(settings: SuiteSettings, tree: Node) -> Iterator[EchokitError]:
    from echokit.bench.columns import column_named

    names = [row.name for row in settings.rows]
    for index, row in enumerate(settings.rows):
        where = str(tree.at(("rows", index)).origin)
        if names.index(row.name) != index:
            yield EchokitError(f"rows.{index}: the name {row.name!r} stands twice", where=where)
        if (row.recipe is None) == (row.measure is None):
            yield EchokitError(f"rows.{index}: give a recipe or a measure", hint="one of the two", where=where)
        if row.weights_from and not re.fullmatch(r"(\w[\w-]*/)?\w[\w-]*", row.weights_from):
            yield EchokitError(
                f"rows.{index}.weights_from: {row.weights_from!r} names no row", hint="row, or suite/row", where=where
            )
        if row.weights_from and "/" not in row.weights_from and row.weights_from not in names:
            hint = did_you_mean(row.weights_from, names)
            yield EchokitError(
                f"rows.{index}.weights_from: there is no row {row.weights_from!r}", hint=hint, where=where
            )
    for index, spec in enumerate(settings.columns):
        try:
            column_named(spec)
        except EchokitError as error:
            where = str(tree.at(("columns", index)).origin)
            yield EchokitError(f"columns.{index}: {error.message}", hint=error.hint, where=where)
    for index, seen in enumerate(settings.observations):
        where = str(tree.at(("observations", index)).origin)
        for name in {*seen.rows, *([seen.highest] if seen.highest else [])} - set(names):
            yield EchokitError(
                f"observations.{index}: there is no row {name!r}", hint=did_you_mean(name, names), where=where
            )
        if (seen.highest is None) == (seen.along is None):
            yield EchokitError(f"observations.{index}: give highest or along", hint="one of the two", where=where)
    for index, paired in enumerate(settings.paired):
        for name in {name for pair in paired.pairs for name in pair} - set(names):
            where = str(tree.at(("paired", index)).origin)
            yield EchokitError(f"paired.{index}: there is no row {name!r}", hint=did_you_mean(name, names), where=where)
