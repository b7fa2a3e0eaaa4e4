from pathlib import Path

import pytest

from echokit.plugins.component import BUILT_IN, CODE_ROOTS, KINDS, Component, parse_kind
from echokit.plugins.discovery import installed
from echokit.plugins.parameters import parameters, summary_line
from echokit.plugins.registry import Registry
from echokit.system.hashing import package_hash
from tests.expect import refused


def registry(*components: Component) -> Registry:
    filled = Registry()
    for component in components:
        filled.add(component)
    return filled


def test_a_name_finds_its_component() -> None:
    component = Component("evaluator", "auroc", "a.b:C", "echokit")
    assert registry(component).get("evaluator", "auroc") is component


def test_an_unknown_name_suggests_the_nearest() -> None:
    with refused("component.unknown", names=("'aurok'",)) as caught:
        registry(Component("evaluator", "auroc", "a:B", "echokit")).get("evaluator", "aurok")
    assert "'auroc'" in str(caught.value.hint)


def test_a_name_of_another_kind_is_not_found() -> None:
    with refused("component.unknown"):
        registry(Component("evaluator", "auroc", "a:B", "echokit")).get("backbone", "auroc")


def test_the_full_name_resolves_a_collision() -> None:
    first, second = Component("backbone", "x", "a:B", "lab_a"), Component("backbone", "x", "c:D", "lab")
    filled = registry(first, second)
    with refused("component.ambiguous", names=("'lab_a:x'", "'lab:x'")) as caught:
        filled.get("backbone", "x")
    assert all(f"'{c.plugin}:x' ({c.target})" in caught.value.message for c in (first, second))
    assert filled.get("backbone", "lab:x") is second
    assert filled.names("backbone") == ["lab:x", "lab_a:x"]


def test_a_bare_name_means_the_built_in_component() -> None:
    plugin, built_in, other = (Component("backbone", "x", "a:B", name) for name in ("lab_a", "echokit", "lab_b"))
    filled = registry(plugin, built_in, other)
    assert filled.get("backbone", "x") is filled.get("backbone", "echokit:x") is built_in
    assert filled.get("backbone", "lab_b:x") is other
    assert filled.names("backbone") == ["lab_a:x", "lab_b:x", "x"]
    assert [filled.name_of(c) for c in (plugin, built_in)] == ["lab_a:x", "x"]
    assert plugin.is_built_in("x") is False
    assert built_in.is_built_in("x") is True


@pytest.mark.parametrize("name", ["", "a:b", "a b", "../x", "x\0", "x\n", "\u202ex", "x" * 81, None, 3, ["x"]])
def test_a_name_is_a_plain_word(name: object) -> None:
    with refused("component.bad_name"):
        registry(Component("backbone", name, "a:B", "lab"))  # type: ignore[arg-type]


def test_one_plugin_cannot_register_a_name_twice() -> None:
    with refused("component.registered_twice"):
        registry(Component("backbone", "x", "a:B", "lab"), Component("backbone", "x", "c:D", "lab"))


@pytest.mark.parametrize("target", ["a.b.C", "a:b:C", ""])
def test_a_target_is_module_and_class(target: str) -> None:
    with refused("component.bad_target"):
        registry(Component("backbone", "x", target, "lab"))


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_in_singular_and_plural(kind: str) -> None:
    assert parse_kind(kind) == parse_kind(kind + "s") == kind


def test_an_unknown_kind_suggests_the_nearest() -> None:
    with refused("component.unknown_kind") as caught:
        parse_kind("backbons")
    assert "'backbone'" in str(caught.value.hint)


@pytest.mark.parametrize("component", installed().registry.components(), ids=lambda c: f"{c.kind}-{c.name}")
def test_every_component_is_documented_and_typed(component: Component) -> None:
    target = component.load()
    assert component.summary
    assert summary_line(target)
    for name, field in parameters(target).model_fields.items():
        assert field.description, f"{component.name}.{name} is not in the Args section"


def test_an_unimportable_target_names_the_plugin() -> None:
    with refused("component.import_failed", where="no_such_module:X") as caught:
        Component("backbone", "x", "no_such_module:X", "lab").load()
    assert "'lab'" in caught.value.message
    assert ModuleNotFoundError.__name__ in caught.value.message


def test_no_parameter_hides_the_name_of_its_component() -> None:
    """In a recipe and a lock ``use: NAME`` stands beside the parameters."""

    class Shadow:
        """A mask.

        Args:
            use: Hides it.
        """

        def __init__(self, *, use: int = 1) -> None:
            self.use = use

    with refused("component.reserved_parameter"):
        parameters(Shadow)


def write_package(folder: Path) -> Component:
    """Write a package whose mask imports from a sibling of its folder, and return the mask."""
    masks = folder / "lab_masks" / "masks"
    masks.mkdir(parents=True)
    for package in (masks.parent, masks):
        (package / "__init__.py").touch()
    (masks.parent / "geometry.py").write_text("HALF = 0.5\n")
    (masks.parent / "table.csv").write_text("0.5\n")
    (masks / "half.py").write_text("from lab_masks.geometry import HALF\n\nclass Half: ...\n")
    return Component("preprocessor", "half", "lab_masks.masks.half:Half", "lab")


@pytest.mark.parametrize("changed", ["geometry.py", "table.csv", "masks/half.py"])
def test_the_code_hash_covers_the_whole_plugin(changed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package_hash.cache_clear()
    component = write_package(tmp_path)
    before = component.code_hash()
    (tmp_path / "lab_masks" / changed).write_text("changed = 1\n")
    package_hash.cache_clear()
    assert component.code_hash() != before


def test_the_code_hash_ignores_compiled_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    package_hash.cache_clear()
    component = write_package(tmp_path)
    before = component.code_hash()
    cache = tmp_path / "lab_masks" / "masks" / "__pycache__"
    cache.mkdir()
    (cache / "half.cpython-312.pyc").write_bytes(b"compiled")
    package_hash.cache_clear()
    assert component.code_hash() == before


def test_each_built_in_component_lies_in_a_code_root() -> None:
    for component in installed().registry.components():
        if component.plugin == BUILT_IN:
            roots = CODE_ROOTS.get(f"{component.kind} {component.name}") or CODE_ROOTS[component.kind]
            assert component.target.startswith(tuple(f"{root}." for root in roots)), component


@pytest.mark.parametrize("root", sorted({root for roots in CODE_ROOTS.values() for root in roots}))
def test_a_code_root_has_code(root: str) -> None:
    assert package_hash(root) != package_hash("no_such_package")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_contract_for_its_page(kind: str) -> None:
    """What it is called with and gives, in docs/plugins/contracts; the pages of reference/ are made from it."""
    contract = Path(__file__).parents[2] / "docs" / "plugins" / "contracts" / f"{kind}.md"
    text = contract.read_text(encoding="utf-8")
    for part in ("**Called with**", "**Gives**"):
        assert part in text
