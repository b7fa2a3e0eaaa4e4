"""Settings are strict, described, light; the learning rate follows them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import BaseModel, ValidationError

from echokit.training.schedule import learning_rate
from echokit.training.settings import ConstantSchedule, OneCycleSchedule, OptimizerSettings, TrainSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": "7"}, {"epochs": 7.0}, {"epochs": True}, {"batch_size": 0}, {"unknown": 1},
        {"optimizer": {"use": "sgd"}}, {"optimizer": {"lr": "1e-4"}}, {"optimizer": {"lr": float("inf")}},
        {"optimizer": {"betas": [0.9]}}, {"optimizer": {"betas": [0.9, 1.0]}},
        {"optimizer": {"betas": ["0.9", 0.9]}},
        {"schedule": {"use": "constant", "warmup": 0.1}}, {"schedule": {"use": "step"}}, {"keep": "best"},
        {"precision": "half"}, {"deterministic": 1}, {"clip_gradients": 0}, {"l2_conv": -1.0},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError) as error:
        TrainSettings.model_validate(wrong)
    assert error.value.error_count() == 1


def test_a_recipe_as_yaml_gives_it():
    settings = TrainSettings.model_validate(
        {
            "epochs": 3,
            "optimizer": {"use": "adamw", "lr": 1, "betas": [0.8, 0.9]},
            "schedule": {"use": "one_cycle"},
        }
    )
    assert settings.optimizer.betas == (0.8, 0.9)
    assert isinstance(settings.schedule, OneCycleSchedule)
    assert TrainSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("model", [TrainSettings, OptimizerSettings, ConstantSchedule, OneCycleSchedule])
def test_every_field_is_described(model: type[BaseModel]):
    assert model.model_fields
    assert all(field.description for field in model.model_fields.values())


def test_settings_and_their_like_import_nothing_heavy():
    light = ("settings", "watch", "keep", "signals", "schedule", "allocator")
    code = (
        "import sys\n"
        + "".join(f"import echokit.training.{name}\n" for name in light)
        + "import echokit.sampling.window\n"
        + "assert not {'torch', 'cv2', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_cycle_rises_to_the_peak_and_falls():
    schedule = OneCycleSchedule(warmup=0.25, start_factor=0.1, end_factor=0.01)
    rates = [learning_rate(schedule, 2.0, n / 100) for n in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[25] == max(rates) == 2.0
    assert rates[100] == pytest.approx(0.02)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_no_warmup_and_no_schedule():
    assert learning_rate(OneCycleSchedule(warmup=0.0), 2.0, 0.0) == 2.0
    assert {learning_rate(ConstantSchedule(), 2.0, t) for t in (0.0, 0.5, 1.0)} == {2.0}
