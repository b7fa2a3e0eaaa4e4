import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from echokit.errors import EchokitError
from echokit.recipe.yaml_file import parse_yaml, scalar


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
    ("text", "line", "message"),
    [
        ("a: 1\nb: 2\na: 3", 3, "stands twice"),
        ("a:\n  !!python/object/apply:os.system [x]", 2, "tag"),
        ("a: !include x", 1, "tag"),
        ("a: [1\nb: 2", 2, "not valid YAML"),
        ("<<: {a: 1}", 1, "merge keys"),
        ("? [a]\n: 1", 1, "plain word"),
        ("x: " + "[" * 50 + "]" * 50, 1, "deeply nested"),
        ("a: 1\nb: ${ECHOKIT_NOT_SET}", 2, "ECHOKIT_NOT_SET is not set"),
    ],
)
def test_errors_name_the_line(text: str, line: int, message: str) -> None:
    with pytest.raises(EchokitError, match=message) as raised:
        parse_yaml(text, "recipe.yaml")
    assert raised.value.where == f"recipe.yaml:{line}"


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(EchokitError, match="too many"):
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
def test_wild_text_gives_a_tree_or_a_said_error(text: str) -> None:
    try:
        where = parse_yaml(text, "wild.yaml").origin.file
    except EchokitError as error:
        where = error.where or ""
    assert where.startswith("wild.yaml")


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("train:\n\tepochs: 3\n", 2, "indent with blanks, not with tabs"),
        ("train:\n  epochs: 3\n   lr: 1\n", 3, "look at the indentation"),
        ("train:\n    epochs: 3\n  lr: 1\n", 3, "look at the indentation"),
        ("train: {optimizer: {use: adam, weight_decay: 0,01}}\n", 1, "write a decimal point: 0.01, not 0,01"),
    ],
)
def test_wrong_layout_and_decimal_commas_get_a_hint(text: str, line: int, hint: str) -> None:
    with pytest.raises(EchokitError) as error:
        parse_yaml(text, "a.yaml")
    assert error.value.where == f"a.yaml:{line}"
    assert error.value.hint is not None
    assert hint in error.value.hint
