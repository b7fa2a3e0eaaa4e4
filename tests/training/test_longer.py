"""A training that is made longer has the bits of one that was as long from the start."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from echokit.models.weights.weight_files import load_weights
from echokit.system.checksums import checksum_problem
from echokit.system.stop_signals import Interrupted
from echokit.training.context import TrainingContext
from echokit.training.settings import TrainSettings
from tests.expect import refused

from .blobs import COMPUTE, RecordingCallback, Tiny, bits, train

PHASES = [{"name": "head", "train": ["head"], "epochs": 2}, {"name": "all", "epochs": 2}]


@dataclass(frozen=True)
class Shorter:
    """The first part of a training, as the longer one names it."""

    settings: dict
    recipe: str = "short"

    def extends(self, directory: Path) -> tuple[TrainingContext, ...]:
        common = {"batch_size": 4, "optimizer": {"lr": 0.02}, "l2_conv": 1e-4, "clip_gradients": 5.0}
        settings = TrainSettings.model_validate({**common, **self.settings})
        return (TrainingContext(settings, 7, COMPUTE, directory, metadata={"recipe": self.recipe}),)


def longer(settings: dict, epochs: int) -> dict:
    return {**settings, **TrainSettings.model_validate(settings).lasting(epochs).model_dump(include={"phases"}),
            "epochs": epochs}  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 2, "keep": "last"},
        {"epochs": 2, "keep": "best_val_auroc", "ema": {"decay": 0.9}},
        {"epochs": 3, "keep": "best_val_loss", "optimizer": {"use": "lamb", "lr": 0.02}},
        {"epochs": 2, "schedule": {"use": "step", "step_size": 1}},
        {"epochs": 2, "schedule": {"use": "cosine_annealing", "T_max": 3}},
        {"epochs": 2, "schedule": {"use": "plateau", "patience": 0}},
        {"epochs": 4, "phases": PHASES},
        {"epochs": 4, "phases": [{"name": "all", "epochs": 2}, {"name": "head", "train": ["head"], "epochs": 2}]},
    ],
    ids=lambda settings: "-".join(map(str, settings)),
)
@pytest.mark.parametrize("stopped", [None, 3, 6])
def test_a_longer_training_has_the_bits_of_one_that_long(tmp_path, settings, stopped):
    part = Shorter(settings)
    train(tmp_path / "part", metadata={"recipe": "short"}, **settings)
    more = {**longer(settings, 6), "metadata": {"recipe": "long"}}
    if stopped:
        with pytest.raises(Interrupted):
            train(tmp_path / "part", resume=True, extends=part.extends(tmp_path / "part"), model=Tiny(seed=5),
                  callback=RecordingCallback(stopped), **more)  # fmt: skip
    train(tmp_path / "part", resume=True, extends=part.extends(tmp_path / "part"), model=Tiny(seed=9), **more)
    train(tmp_path / "whole", **more)
    assert bits(tmp_path / "part") == bits(tmp_path / "whole")
    for name in ("best/model.safetensors", "best/state.json"):
        assert checksum_problem(tmp_path / "part", name) is None
    assert load_weights(tmp_path / "part" / "best" / "model.safetensors")[1]["recipe"] == "long"


def test_an_unfinished_training_is_made_longer(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path / "part", metadata={"recipe": "short"}, callback=RecordingCallback(7), epochs=2)
    extends = Shorter({"epochs": 2}).extends(tmp_path / "part")
    train(tmp_path / "part", resume=True, extends=extends, epochs=4)
    train(tmp_path / "whole", epochs=4)
    assert bits(tmp_path / "part") == bits(tmp_path / "whole")


def test_a_fold_that_stopped_early_only_changes_its_name(tmp_path):
    settings = {"early_stop": {"patience": 1, "metric": "val_auroc", "by": 1.0}}
    train(tmp_path / "part", metadata={"recipe": "short"}, epochs=3, **settings)
    assert not (tmp_path / "part" / "last").exists()
    extends = Shorter({"epochs": 3, **settings}).extends(tmp_path / "part")
    callback = RecordingCallback()
    train(tmp_path / "part", resume=True, extends=extends, callback=callback, epochs=6, **settings)
    assert not callback.steps
    train(tmp_path / "whole", epochs=6, **settings)
    assert bits(tmp_path / "part") == bits(tmp_path / "whole")
    assert checksum_problem(tmp_path / "part", "history.jsonl") is None


def test_damaged_weights_do_not_become_those_of_a_longer_training(tmp_path):
    train(tmp_path, metadata={"recipe": "short"}, epochs=2)
    file = tmp_path / "best" / "state.json"
    file.write_text(file.read_text() + " ")
    with refused("checkpoint.damaged"):
        train(tmp_path, resume=True, extends=Shorter({"epochs": 2}).extends(tmp_path), epochs=4)


def test_a_longer_training_refuses_another_seed(tmp_path):
    train(tmp_path, metadata={"recipe": "short"}, epochs=2)
    [context] = Shorter({"epochs": 2}).extends(tmp_path)
    with refused("checkpoint.other_training"):
        train(tmp_path, resume=True, extends=(replace(context, seed=8),), epochs=4)


@pytest.mark.parametrize(
    ("schedule", "follows"),
    [
        ({"use": "constant"}, False),
        ({"use": "one_cycle"}, True),
        ({"use": "plateau"}, False),
        ({"use": "exponential", "gamma": 0.9}, False),
        ({"use": "cosine_annealing"}, True),
        ({"use": "cosine_annealing", "T_max": 3}, False),
        ({"use": "linear"}, True),
        ({"use": "cosine"}, True),
        ({"use": "cosine", "t_initial": 5}, False),
    ],
)
def test_some_schedules_depend_on_the_number_of_epochs(tmp_path, schedule, follows):
    settings = TrainSettings.model_validate({"schedule": schedule})
    assert settings.schedule.follows_length is follows
    train(tmp_path, epochs=1, schedule=schedule)
    assert (tmp_path / "last").exists() is not follows
