import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.errors import EchokitError
from echokit.recipe.yaml_file import parse_yaml, scalar
from tests.expect import refused


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("012", 12),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("tRue", "tRue"),
        ("1e-3", 0.001),
        ("1.0e-4", 0.0001),
        ("-.5", -0.5),
        ("1_000", "1_000"),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("null", None),
        ("~", None),
        ("", None),
        (".", "."),
        ("-", "-"),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    assert scalar(text) == value
    assert type(scalar(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("a: 1\nb: 2\na: 3", 3, "yaml.duplicate_key"),
        ("a:\n  !!python/object/apply:os.system [x]", 2, "yaml.tag"),
        ("a: !include x", 1, "yaml.tag"),
        ("a: [1\nb: 2", 2, "yaml.invalid"),
        ("<<: {a: 1}", 1, "yaml.merge_key"),
        ("? [a]\n: 1", 1, "yaml.bad_key"),
        ("x: " + "[" * 50 + "]" * 50, 1, "yaml.too_many_values"),
        ("a: 1\nb: ${ECHOKIT_NOT_SET}", 2, "yaml.unset_variable"),
    ],
)
def test_errors_name_the_line(text: str, line: int, code: str) -> None:
    with refused(code, where=f"recipe.yaml:{line}"):
        parse_yaml(text, "recipe.yaml")


def test_an_alias_bomb_is_refused_early() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with refused("yaml.too_many_values"):
        parse_yaml("\n".join(rows), "bomb.yaml")


def test_variables_only_in_values_and_with_defaults() -> None:
    text = "root: ${ROOT:-data/x}\nn: ${N:-4}\nquoted: '${N:-4}'\n"
    assert parse_yaml(text, "f", {}).plain() == {"root": "data/x", "n": 4, "quoted": "4"}
    assert parse_yaml(text, "f", {"ROOT": "/r", "N": "7"}).plain() == {"root": "/r", "n": 7, "quoted": "7"}


def test_every_value_knows_its_line() -> None:
    tree = parse_yaml("a: 1\nb:\n  c: [x,\n    y]\n", "f.yaml")
    assert str(tree.at(("b", "c", 1)).origin) == "f.yaml:4"


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_tree_or_an_error_with_its_file(text: str) -> None:
    try:
        where = parse_yaml(text, "wild.yaml").origin.file
    except EchokitError as error:
        where = error.where or ""
    assert where.startswith("wild.yaml")


@pytest.mark.parametrize(
    ("text", "line", "code", "hint"),
    [
        ("train:\n\tepochs: 3\n", 2, "yaml.invalid", "tabs"),
        ("train:\n  epochs: 3\n   lr: 1\n", 3, "yaml.invalid", "indentation"),
        ("train:\n    epochs: 3\n  lr: 1\n", 3, "yaml.invalid", "indentation"),
        ("train: {optimizer: {use: adam, weight_decay: 0,01}}\n", 1, "yaml.decimal_comma", "0.01"),
    ],
)
def test_indentation_and_decimal_commas_get_a_hint(text: str, line: int, code: str, hint: str) -> None:
    with refused(code, where=f"a.yaml:{line}") as caught:
        parse_yaml(text, "a.yaml")
    assert hint in str(caught.value.hint)
