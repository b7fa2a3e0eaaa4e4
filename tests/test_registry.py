import pytest

from echokit.errors import EchokitError
from echokit.plugins import installed
from echokit.registry import KINDS, Component, Registry, kind_named


def registry(*components: Component) -> Registry:
    made = Registry()
    for component in components:
        made.add(component)
    return made


def test_a_name_finds_its_component() -> None:
    component = Component("evaluator", "auroc", "a.b:C", "echokit")
    assert registry(component).get("evaluator", "auroc") is component


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(EchokitError, match="there is no evaluator 'aurok'") as raised:
        registry(Component("evaluator", "auroc", "a:B", "echokit")).get("evaluator", "aurok")
    assert raised.value.hint == "did you mean 'auroc'?"


def test_a_name_of_another_kind_is_not_found() -> None:
    with pytest.raises(EchokitError):
        registry(Component("evaluator", "auroc", "a:B", "echokit")).get("backbone", "auroc")


def test_a_collision_shows_both_and_the_full_name_picks_one() -> None:
    first, second = Component("backbone", "x", "a:B", "echokit"), Component("backbone", "x", "c:D", "lab")
    made = registry(first, second)
    with pytest.raises(EchokitError, match=r"'echokit:x' \(a:B\) and 'lab:x' \(c:D\)"):
        made.get("backbone", "x")
    assert made.get("backbone", "lab:x") is second
    assert made.names("backbone") == ["echokit:x", "lab:x"]


def test_one_plugin_can_not_register_a_name_twice() -> None:
    with pytest.raises(EchokitError, match="twice"):
        registry(Component("backbone", "x", "a:B", "lab"), Component("backbone", "x", "c:D", "lab"))


@pytest.mark.parametrize("target", ["a.b.C", "a:b:C", ""])
def test_a_target_is_module_and_class(target: str) -> None:
    with pytest.raises(EchokitError, match="target"):
        registry(Component("backbone", "x", target, "lab"))


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_in_singular_and_plural(kind: str) -> None:
    assert kind_named(kind) == kind_named(kind + "s") == kind


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with pytest.raises(EchokitError) as raised:
        kind_named("backbons")
    assert "backbone" in str(raised.value)


@pytest.mark.parametrize("component", installed().registry.components(), ids=lambda c: f"{c.kind}-{c.name}")
def test_every_component_is_documented_and_typed(component: Component) -> None:
    from echokit.schema import parameters, summary_line

    target = component.load()
    assert component.summary
    assert summary_line(target)
    for name, field in parameters(target).model_fields.items():
        assert field.description, f"{component.name}.{name} is not in the Args section"


def test_an_unimportable_target_names_the_plugin() -> None:
    with pytest.raises(EchokitError, match="plugin 'lab' can not be imported: ModuleNotFoundError"):
        Component("backbone", "x", "no_such_module:X", "lab").load()


def test_no_parameter_hides_the_name_of_its_component() -> None:
    """A lock says ``use: NAME`` beside the parameters."""
    from echokit.schema import parameters

    class Shadow:
        """A mask.

        Args:
            use: Hides it.
        """

        def __init__(self, *, use: int = 1) -> None:
            self.use = use

    with pytest.raises(EchokitError, match="hides the component's name"):
        parameters(Shadow)
