"""Optimizers and schedulers of plugins: names, mistakes, the lock, resume, refusals before training."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import torch
import yaml

import echokit
from echokit.cli import exit_code
from echokit.errors import RecipeError
from echokit.plugins.discovery import installed
from echokit.recipe.json_schema import recipe_schema
from echokit.recipe.validate import load_recipe
from echokit.results.lock import recipe_hash
from echokit.system.stop_signals import Interrupted
from echokit.testing import check_component
from echokit.tools.new_plugin.package import write_package
from echokit.training.heads.batched_heads import check_batched_heads_supported
from echokit.training.library_names import may_have
from echokit.training.named_settings import OptimizerSettings
from echokit.training.optimizer_catalog import optimizer_names, schedule_names
from echokit.training.settings import TrainSettings
from echokit.training.step.optimizer import build_optimizer
from tests.expect import mistakes, refused
from tests.tools.new_plugin.test_package import lay_out
from tests.training.blobs import RecordingCallback, Tiny, bits, train

HOOKS = """
from echokit import hookimpl

@hookimpl
def echokit_components(register):
    for name in ("Lion", "Adam", "Listed", "Regrouped", "Plain", "Hidden", "Forgets", "Still", "Wild",
                 "Closed", "Nothing"):
        register.optimizer(name.lower(), f"lab_odd.parts:{name}", summary="odd")
    for name in ("Cosine", "Wrong", "Follower", "Counting"):
        register.scheduler(name.lower(), f"lab_odd.parts:{name}", summary="odd")
"""
PARTS = '''
class Lion:
    """Has the name of one of timm."""
    def __init__(self, *, strength: int = 3) -> None:
        self.strength = strength
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        return torch.optim.SGD(groups, lr=lr, weight_decay=weight_decay)

class Adam(Lion):
    """Has the name of a built-in one."""

class Listed(Lion):
    """Keeps a list in its state."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        class Keeper(torch.optim.SGD):
            def step(self, closure=None):
                super().step()
                for group in self.param_groups:
                    for weight in group["params"]:
                        self.state[weight]["norms"] = [1.0]
        return Keeper(groups, lr=lr)

class Regrouped(Lion):
    """Puts all weights into one group."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        return torch.optim.SGD([weight for group in groups for weight in group["params"]], lr=lr)

class Plain(Lion):
    """Has no weight decay."""
    def __call__(self, groups, *, lr):
        import torch
        return torch.optim.SGD(groups, lr=lr)

class Hidden:
    """Has a parameter that echokit gives it."""
    def __init__(self, *, lr: float = 0.1) -> None:
        pass

class Forgets(Lion):
    """Counts its steps outside its state."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        class Forgetful(torch.optim.SGD):
            steps = 0
            def step(self, closure=None):
                self.steps += 1
                for group in self.param_groups:
                    group["lr"] /= self.steps
                super().step()
        return Forgetful(groups, lr=lr)

class Still(Lion):
    """Ignores the learning rate of its groups."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        class Fixed(torch.optim.Optimizer):
            @torch.no_grad()
            def step(self, closure=None):
                for group in self.param_groups:
                    for weight in group["params"]:
                        if weight.grad is not None:
                            weight.sub_(weight.grad, alpha=lr)
        return Fixed(groups, {"lr": lr})

class Wild(Lion):
    """Climbs, at random."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        class Climber(torch.optim.Optimizer):
            @torch.no_grad()
            def step(self, closure=None):
                for group in self.param_groups:
                    for weight in group["params"]:
                        weight.add_(torch.rand_like(weight) + weight.abs(), alpha=group["lr"])
        return Climber(groups, {"lr": lr})

class Closed(Lion):
    """Needs a closure."""
    def __call__(self, groups, *, lr, weight_decay):
        import torch
        class Searching(torch.optim.SGD):
            def step(self, closure):
                super().step(closure)
        return Searching(groups, lr=lr)

class Nothing(Lion):
    """Gives no optimizer."""
    def __call__(self, groups, *, lr, weight_decay):
        return None

class Cosine:
    """Has the name of one of timm, and says nothing of the length."""
    def __call__(self, position):
        return 1.0 - position.done / 2

class Wrong:
    """Gives no rate."""
    follows_length = False
    def __call__(self, position):
        return float("nan") if position.epoch else 1.0

class Follower:
    """Follows the validation loss."""
    follows_length = False
    def __call__(self, position):
        losses = position.validation_losses
        return 0.5 if losses and losses[-1] > min(losses) else 1.0

class Counting:
    """Has a state, and depends on the length."""
    follows_length = False
    def __init__(self) -> None:
        self.calls = 0
    def __call__(self, position):
        self.calls += 1
        return 1.0 / self.calls + position.epochs
'''


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Install a generated optimizer and scheduler, and a plugin whose parts are odd."""
    site = tmp_path_factory.mktemp("site")
    folders = [write_package("optimizer", "sign_sgd", site), write_package("scheduler", "stairs", site)]
    odd = site / "odd" / "lab_odd"
    odd.mkdir(parents=True)
    (odd / "__init__.py").write_text(HOOKS)
    (odd / "parts.py").write_text(PARTS)
    (odd.parent / "pyproject.toml").write_text(
        '[project]\nname = "lab-odd"\nversion = "0.3"\nentry-points.echokit = {lab_odd = "lab_odd"}\n'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("ECHOKIT_PLUGINS", raising=False)
        for folder in (*folders, odd.parent):
            lay_out(folder)
            patch.syspath_prepend(str(folder))
        installed.cache_clear()
        yield
    installed.cache_clear()


PLUGINS = {
    "optimizer": {"use": "sign_sgd", "lr": 0.003, "weight_decay": 0.1},
    "schedule": {"use": "stairs", "every": 1},
}


@pytest.mark.parametrize("changes", [{}, {"layer_decay": 0.8, "accumulate": 2, "batch_size": 2, "ema": {"decay": 0.9}}])
@pytest.mark.parametrize("at", [1, 5, 8])
def test_a_stopped_training_resumes_with_the_same_bits(tmp_path: Path, changes: dict[str, object], at: int) -> None:
    settings = {**PLUGINS, **changes, "keep": "last"}
    train(tmp_path / "whole", **settings)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", callback=RecordingCallback(at), **settings)
    train(tmp_path / "stopped", resume=True, model=Tiny(seed=9), **settings)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")
    rates = [record["lr"] for record in bits(tmp_path / "whole")[1]]
    assert rates == [0.003, 0.003, 0.0015]


def test_only_a_scheduler_that_says_so_lets_a_run_become_longer(tmp_path: Path) -> None:
    train(tmp_path / "free", epochs=1, schedule="stairs")
    train(tmp_path / "bound", epochs=1, schedule="lab_odd:cosine")
    assert (tmp_path / "free" / "last").exists()
    assert not (tmp_path / "bound" / "last").exists()


def test_a_name_of_echokit_or_a_library_never_means_that_of_a_plugin() -> None:
    def chosen(use: str) -> tuple[str, bool]:
        settings = OptimizerSettings.model_validate({"use": use})
        return settings.use, "strength" in settings.options

    assert chosen("adam") == ("adam", False)
    assert chosen("lion") == ("lion", False)
    assert chosen("lab_odd:adam") == ("lab_odd:adam", True)
    assert chosen("lab_odd:lion") == ("lab_odd:lion", True)
    assert chosen("listed") == chosen("lab_odd:listed") == ("lab_odd:listed", True)
    settings = TrainSettings.model_validate({"schedule": "cosine"})
    assert settings.schedule.options["unit"] == "epoch"


def test_every_name_of_a_library_is_found_in_its_code() -> None:
    assert all(may_have(name) for name in optimizer_names() | schedule_names())
    assert not may_have("sign_sgd")


@pytest.mark.parametrize(
    ("line", "place", "code", "hint"),
    [
        ("optimizer: {use: sign_sgd, momentun: 0.5}", "train.optimizer.momentun", "parameter.unknown", "momentum"),
        ("optimizer: {use: sign_sgd, momentum: 1.5}", "train.optimizer.momentum", "parameter.invalid", ""),
        ("optimizer: sign_sdg", "train.optimizer", "component.unknown", "sign_sgd"),
        ("optimizer: {use: 'lab:adam'}", "train.optimizer", "component.no_plugin", ""),
        ("optimizer: {use: hidden}", "train.optimizer", "component.reserved_parameter", "__init__"),
        ("optimizer: {use: lion, strength: 1}", "train.optimizer.strength", "parameter.unknown", "betas"),
        ("optimizer: {use: sgd, nesterov: true}", "train.optimizer", "parameter.invalid", ""),
        ("optimizer: {use: adam, betas: [0.9, 1]}", "train.optimizer.betas.1", "parameter.invalid", ""),
        ("schedule: {use: stairs, every: 0}", "train.schedule.every", "parameter.invalid", ""),
        ("schedule: {use: stairs, unit: step}", "train.schedule.unit", "parameter.unknown", "warmup"),
        ("schedule: {use: cosine, unit: week}", "train.schedule", "parameter.invalid", ""),
        ("schedule: stair", "train.schedule", "component.unknown", "stairs"),
    ],
)
def test_a_mistake_has_its_line(tiny: Path, line: str, place: str, code: str, hint: str) -> None:
    above, number = tiny.read_text().split("train:")[0], tiny.read_text().split("train:")[0].count("\n") + 3
    tiny.write_text(f"{above}train:\n  epochs: 1\n  {line}\n")
    with pytest.raises(RecipeError) as raised:
        load_recipe(tiny)
    assert mistakes(raised.value) == [(code, f"{tiny}:{number}")]
    (problem,) = raised.value.problems
    assert problem.message.startswith(f"{place}: ")
    assert hint in (problem.hint or "")


def test_a_run_records_the_components_and_repeats_from_its_lock(tiny: Path, tmp_path: Path) -> None:
    changes = {"train.optimizer": {"use": "sign_sgd", "lr": 1e-3}, "train.schedule": "stairs", "train.epochs": 1}
    run = echokit.run(tiny, out=tmp_path / "runs", set=changes)
    parts = {part["kind"]: part for part in run.lock.content["components"][-2:]}
    assert {kind: (part["name"], part["package"]) for kind, part in parts.items()} == {
        "optimizer": ("sign_sgd", "echokit-sign-sgd"),
        "scheduler": ("stairs", "echokit-stairs"),
    }
    recipe = run.lock.content["recipe"]["train"]
    assert recipe["optimizer"] == {"use": "sign_sgd:sign_sgd", "lr": 0.001, "weight_decay": 0.0, "momentum": 0.9}
    again = echokit.run(run.path / "lock.yaml", out=tmp_path / "again")
    assert (again.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()
    assert again.lock.recipe_hash == run.lock.recipe_hash


def test_only_the_code_of_plugins_is_in_the_recipe_hash(tiny: Path) -> None:
    own = load_recipe(tiny, ("train.optimizer=sgd", "train.schedule=one_cycle"))
    assert not {"optimizer", "scheduler"} & {use.component.kind for use in own.uses()}
    of_plugin = load_recipe(tiny, ("train.optimizer=sign_sgd", "train.schedule=stairs"))
    assert [use.component.kind for use in of_plugin.uses()][-2:] == ["optimizer", "scheduler"]
    code = [{"kind": "optimizer", "name": "sign_sgd", "plugin": "sign_sgd", "code": text} for text in "ab"]
    assert len({recipe_hash(of_plugin, [part], "data") for part in code}) == 2


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"optimizer": {"use": "listed"}}, "train.state_not_saved"),
        ({"optimizer": {"use": "regrouped"}, "layer_decay": 0.5}, "train.bad_optimizer"),
        ({"optimizer": {"use": "closed"}}, "train.bad_optimizer"),
        ({"optimizer": {"use": "nothing"}}, "train.bad_optimizer"),
        ({"optimizer": {"use": "plain", "weight_decay": 0.1}}, "train.no_weight_decay"),
        ({"schedule": {"use": "wrong"}}, "train.bad_rate"),
    ],
)
def test_a_component_that_breaks_its_contract_is_refused(tmp_path: Path, changes: dict[str, object], code: str) -> None:
    with refused(code, where=f"train.{next(iter(changes))}"):
        train(tmp_path, **changes)


def test_batched_heads_take_schedulers_but_no_optimizers_of_plugins() -> None:
    phases = [{"name": "head", "train": ["head"], "epochs": 3}]

    def check(**changes: object) -> None:
        plain = {"phases": phases, "batch_size": 64, "keep": "last"}
        check_batched_heads_supported(TrainSettings.model_validate({**plain, **changes}), 60)

    check(schedule="stairs")
    for changes in ({"optimizer": "sign_sgd"}, {"optimizer": "lab_odd:adam"}, {"schedule": "follower"}):
        with refused("train.not_in_batched_heads", where=f"train.{next(iter(changes))}"):
            check(**changes)


def test_lists_and_descriptions_have_both_origins(capsys: pytest.CaptureFixture[str]) -> None:
    def told(*arguments: str) -> str:
        assert exit_code(list(arguments)) == 0
        return capsys.readouterr().out

    rows = {(row["name"], row["origin"]) for row in json.loads(told("list", "optimizers", "--json"))}
    assert {("adam", "echokit"), ("sign_sgd", "echokit-sign-sgd 0.1.0"), ("lion", "timm"), ("radam", "torch")} <= rows
    assert {("lab_odd:lion", "lab-odd 0.3"), ("lab_odd:adam", "lab-odd 0.3")} <= rows
    assert not {("lion", "lab-odd 0.3"), ("adam", "torch")} & rows
    assert told("list", "schedules") == told("list", "scheduler")
    assert "momentum: number >= 0 and < 1; default 0.9" in told("show", "sign_sgd")
    shown = told("show", "lion")
    assert "optimizer lion  (timm)" in shown
    assert "optimizer lab_odd:lion  (lab_odd)" in shown
    assert told("show", "schedule.step").startswith("scheduler step  (torch)")


def test_the_schema_has_registered_ones_and_allows_those_of_libraries(tiny: Path) -> None:
    schema = recipe_schema()
    recipe = yaml.safe_load(tiny.read_text())

    def fits(**train: object) -> bool:
        return jsonschema.Draft202012Validator(schema).is_valid({**recipe, "train": train})

    assert fits()
    assert fits(optimizer={"lr": 0.1, "eps": 1e-7}, schedule="stairs")
    assert fits(optimizer="sign_sgd", schedule={"use": "stairs", "every": 2})
    assert fits(optimizer={"use": "lion", "betas": [0.9, 0.99], "lr": 0.1}, schedule={"use": "cosine", "unit": "step"})
    assert not fits(optimizer={"use": "adam", "beta": 1})
    assert not fits(optimizer={"use": "lion", "lr": -1})
    assert not fits(schedule={"use": "one_cycle", "warmup": 2})


def test_a_recipe_with_a_plugin_is_read_without_torch(tiny: Path) -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]\nfrom pathlib import Path\n"
        "from echokit.recipe.validate import load_recipe\n"
        "for names in (('sign_sgd', 'stairs'), ('sgd', 'one_cycle'), ('adamw', 'constant')):\n"
        "    load_recipe(Path(sys.argv[1]), (f'train.optimizer={names[0]}', f'train.schedule={names[1]}'))\n"
        "assert not {'torch', 'timm'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tiny), *sys.path], check=True)


@pytest.mark.parametrize(
    ("kind", "name", "check"),
    [
        ("optimizer", "regrouped", "keeps the groups of parameters"),
        ("optimizer", "hidden", "keeps the groups of parameters"),
        ("optimizer", "wild", "lowers a loss"),
        ("optimizer", "wild", "gives the same bits"),
        ("optimizer", "wild", "leaves weights without a gradient"),
        ("optimizer", "forgets", "a saved state gives the same bits"),
        ("optimizer", "listed", "a saved state gives the same bits"),
        ("optimizer", "still", "follows the learning rate of a group"),
        ("scheduler", "wrong", "gives a rate at every position"),
        ("scheduler", "counting", "depends on the position alone"),
        ("scheduler", "counting", "says whether it follows the length"),
    ],
)
def test_the_checks_catch(kind: str, name: str, check: str) -> None:
    failed = {result.check for result in check_component(kind, f"lab_odd:{name}") if result.outcome == "failed"}
    assert check in failed


def test_good_components_pass_their_checks() -> None:
    for kind, name in (("optimizer", "lab_odd:lion"), ("scheduler", "follower"), ("scheduler", "lab_odd:cosine")):
        failed = {each.check for each in check_component(kind, name) if each.outcome == "failed"}
        assert failed <= {"every parameter is typed and described"}


def test_a_group_gets_the_share_of_the_learning_rate_of_its_layer() -> None:
    settings = OptimizerSettings.model_validate({"use": "sign_sgd"})
    parameters = {name: torch.nn.Parameter(torch.zeros(2)) for name in ("fused.backbones.video.conv.weight", "head.w")}
    optimizer = build_optimizer(parameters, settings, 0.5)
    assert sorted(group["lr_scale"] for group in optimizer.param_groups) == [0.5, 1.0]
