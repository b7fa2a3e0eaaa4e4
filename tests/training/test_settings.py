"""Settings are strict, described and light; schedules and optimizers are found by name."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
import yaml
from pydantic import BaseModel, ValidationError

from echokit.training.named_settings import OptimizerSettings, ScheduleSettings
from echokit.training.optimizer_catalog import (
    _timm_optimizer_names,
    _timm_schedules,
    _torch_optimizers,
    _torch_schedules,
    optimizer_parameters,
)
from echokit.training.schedulers.position import SchedulePosition
from echokit.training.settings import TrainSettings
from echokit.training.step.optimizer import build_optimizer
from echokit.training.step.schedule import make_schedule
from tests.expect import refused


def rate(peak: float, **schedule: object) -> Callable[[SchedulePosition], float]:
    return make_schedule(ScheduleSettings.model_validate(schedule), peak)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0}, {"epochs": "7"}, {"epochs": 7.0}, {"epochs": True}, {"batch_size": 0}, {"unknown": 1},
        {"optimizer": {"use": "sgdd"}}, {"optimizer": {"use": "sgd", "betas": [0.9, 0.9]}},
        {"optimizer": {"lr": "1e-4"}}, {"optimizer": {"lr": float("inf")}},
        {"optimizer": {"betas": 0.9}}, {"optimizer": {"use": "lion", "beta": 1}}, {"optimizer": {"use": "lbfgs"}},
        {"optimizer": {"use": "nadam", "eps": -1.0}}, {"schedule": {"use": "cosine", "warm_up": 3}},
        {"schedule": {"use": "cosin"}}, {"optimizer": {"betas": [0.9, 1.0]}},
        {"optimizer": {"betas": ["0.9", 0.9]}},
        {"schedule": {"use": "constant", "warmup": 0.1}}, {"schedule": {"use": "step"}}, {"keep": "best"},
        {"precision": "half"}, {"deterministic": 1}, {"clip_gradients": 0}, {"l2_conv": -1.0},
    ],
)  # fmt: skip
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError) as error:
        TrainSettings.model_validate(wrong)
    assert error.value.error_count() == 1


def test_values_from_yaml_are_accepted():
    settings = TrainSettings.model_validate(
        {
            "epochs": 3,
            "optimizer": {"use": "adamw", "lr": 1, "betas": [0.8, 0.9]},
            "schedule": {"use": "one_cycle"},
        }
    )
    assert settings.optimizer.options == {"betas": (0.8, 0.9), "eps": 1e-8, "amsgrad": False}
    assert settings.schedule.options == {"warmup": 0.3, "start_factor": 0.04, "end_factor": 4e-6}
    assert TrainSettings.model_validate(settings.model_dump(mode="json")) == settings


@pytest.mark.parametrize("model", [TrainSettings, OptimizerSettings, ScheduleSettings])
def test_every_field_is_described(model: type[BaseModel]):
    assert model.model_fields
    assert all(field.description for field in model.model_fields.values())


def test_settings_import_no_heavy_library():
    light = ("training.settings", "training.callback", "training.checkpoints.epoch_selection", "training.step.schedule")
    light += ("system.stop_signals", "system.malloc")
    code = (
        "import sys\n"
        + "".join(f"import echokit.{name}\n" for name in light)
        + "import echokit.data.sampling.window_sampler\n"
        + "assert not {'torch', 'cv2', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_one_cycle_rises_to_the_peak_and_falls():
    schedule = rate(2.0, use="one_cycle", warmup=0.25, start_factor=0.1, end_factor=0.01)
    rates = [schedule(SchedulePosition(n // 10, 10, n % 10, 10)) for n in range(101)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[25] == max(rates) == 2.0
    assert rates[100] == pytest.approx(0.02)
    assert rates[:26] == sorted(rates[:26])
    assert rates[25:] == sorted(rates[25:], reverse=True)


def test_no_warmup_and_no_schedule():
    assert rate(2.0, use="one_cycle", warmup=0.0)(SchedulePosition(0, 1, 0, 5)) == 2.0
    assert {rate(2.0, use="constant")(SchedulePosition(0, 1, n, 2)) for n in (0, 1, 2)} == {2.0}


@pytest.mark.parametrize(
    ("use", "options"),
    [
        ("cosine_annealing", {"eta_min": 1e-3}), ("linear", {}), ("exponential", {"gamma": 0.9}),
        ("polynomial", {"power": 2.0}), ("step", {"step_size": 2}), ("multi_step", {"milestones": [2, 4]}),
    ],
)  # fmt: skip
def test_named_schedules_agree_with_torch(use, options):
    schedule = rate(0.5, use=use, unit="step", **options)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    name = {"cosine_annealing": "CosineAnnealingLR", "multi_step": "MultiStepLR"}.get(use, f"{use.title()}LR")
    length = {"cosine_annealing": {"T_max": 6}, "linear": {"total_iters": 6}, "polynomial": {"total_iters": 6}}
    reference = getattr(torch.optim.lr_scheduler, name)(optimizer, **length.get(use, {}), **options)
    for n in range(6):
        assert schedule(SchedulePosition(n // 3, 2, n % 3, 3)) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        reference.step()


def test_a_schedule_of_timm_counts_epochs_or_steps():
    epochs = rate(1e-2, use="cosine", warmup_t=2, warmup_lr_init=1e-4)
    rates = [epochs(SchedulePosition(epoch, 6, step, 4)) for epoch in range(6) for step in (0, 3)]
    assert rates[0:2] == [1e-4, 1e-4]
    assert rates[2] == pytest.approx((1e-4 + 1e-2) / 2)
    assert len(set(rates)) == 6
    steps = rate(1e-2, use="cosine", unit="step")
    rates = [steps(SchedulePosition(epoch, 2, step, 4)) for epoch in range(2) for step in range(4)]
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 8


def test_plateau_follows_the_validation_loss():
    schedule = rate(1.0, use="plateau", patience=1, factor=0.5)
    losses = [1.0, 0.8, 0.8, 0.8, 0.8, 0.8]
    rates = [schedule(SchedulePosition(n, 9, 0, 4, losses[:n])) for n in range(7)]
    assert rates == [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]
    with refused("train.no_validation", where="train.schedule"):
        schedule(SchedulePosition(1, 9, 0, 4, [None]))


@pytest.mark.parametrize("use", ["adam", "adamw", "sgd", "nadam", "rmsprop", "lion", "lamb", "adan"])
def test_lock_records_every_parameter_of_an_optimizer(use):
    settings = TrainSettings.model_validate({"optimizer": {"use": use}})
    plain = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert TrainSettings.model_validate_json(json.dumps(plain), strict=True) == settings
    assert set(plain["optimizer"]) >= {"use", "lr", "weight_decay"}
    assert len(plain["optimizer"]) > 3


@pytest.mark.parametrize("use", ["adam", "adamw", "sgd"])
def test_built_in_optimizers_have_the_defaults_of_torch(use):
    assert OptimizerSettings.model_validate({"use": use}).options.items() <= optimizer_parameters(use).items()


@pytest.mark.parametrize("use", sorted({*_torch_optimizers(), *_timm_optimizer_names()}))
def test_every_optimizer_is_restored_from_a_lock(use):
    settings = TrainSettings.model_validate({"optimizer": {"use": use}})
    assert TrainSettings.model_validate(yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json")))) == settings


@pytest.mark.parametrize("use", sorted({"constant", "one_cycle", *_torch_schedules(), *_timm_schedules()}))
def test_every_schedule_is_restored_from_a_lock(use):
    required = {"step": {"step_size": 2}, "multi_step": {"milestones": [1, 2]}, "exponential": {"gamma": 0.9},
              "cyclic": {"base_lr": 1e-5, "max_lr": 1e-3}, "cosine_annealing_warm_restarts": {"T_0": 2},
              "multistep": {"decay_t": [1, 2]}, "wsd": {"decay_t": 1}}  # fmt: skip
    settings = TrainSettings.model_validate({"schedule": {"use": use, **required.get(use, {})}})
    assert TrainSettings.model_validate(yaml.safe_load(yaml.safe_dump(settings.model_dump(mode="json")))) == settings


@pytest.mark.parametrize("eps", [[None, "x"], [1e-30, None], [None], [None, True]])
def test_nothing_is_left_open_that_the_default_gives(eps):
    with pytest.raises(ValidationError):
        OptimizerSettings.model_validate({"use": "adafactor", "eps": eps})


def test_muon_takes_convolutions():
    settings = OptimizerSettings.model_validate({"use": "muon", "lr": 1e-3})
    model = torch.nn.Sequential(torch.nn.Conv3d(1, 4, 3), torch.nn.BatchNorm3d(4))
    optimizer = build_optimizer(dict(model.named_parameters()), settings)
    model(torch.randn(2, 1, 4, 4, 4)).square().sum().backward()
    before = model[0].weight.detach().clone()
    optimizer.step()
    assert not torch.equal(model[0].weight, before)
