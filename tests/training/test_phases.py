"""Phases train their parts alone, and a frozen backbone is computed once."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import nn

from benchmarks.single_head import Head, fit_head
from echokit.data.sampling.window_sampler import Window
from echokit.models.weights.weight_files import load_weights
from echokit.system.stop_signals import Interrupted
from echokit.training.batches.batch_sources import FeatureSource
from echokit.training.batches.batches import select_cases
from echokit.training.batches.features import FeatureCache, FeatureJob, FeatureSamples, backbone_hash, compute_features
from echokit.training.context import FoldTask
from echokit.training.model_parts import in_part, set_mode, set_trained
from echokit.training.phases import plan_phases
from echokit.training.settings import TrainSettings
from tests.expect import refused

from .blobs import (
    CASES,
    COMPUTE,
    FOLD,
    NAMES,
    Blobs,
    RecordingCallback,
    Tiny,
    TwoClasses,
    bits,
    shake,
    targets,
    train,
)

HEAD = {"name": "head", "train": ["head"], "epochs": 2, "lr": 0.05, "copies": 2}
TUNE = {"name": "tune", "epochs": 2, "lr": 0.01, "bn": "frozen"}
BOTH = {"epochs": 4, "phases": [HEAD, TUNE], "keep": "last"}


def changed(before: nn.Module, after: nn.Module) -> set[str]:
    old, new = before.state_dict(), after.state_dict()
    return {name for name in old if not torch.equal(old[name], new[name])}


@pytest.mark.parametrize(
    ("parts", "bn", "expected"),
    [
        (["head"], "train", {"head.weight", "head.bias"}),
        (["flow", "head"], "train", {"head.weight", "head.bias", "flow.weight", "flow.bias"}),
        (["backbone"], "frozen", {"video.weight", "video.bias", "flow.weight", "flow.bias"}),
        (
            ["norm"],
            "adapt",
            {"norm.running_mean", "norm.running_var", "norm.num_batches_tracked"},
        ),
        (
            ["norm"],
            "train",
            {"norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked"},
        ),
    ],
)
def test_phase_changes_its_parts_alone(tmp_path, parts, bn, expected):
    model = Tiny()
    phase = {"name": "one", "train": parts if bn != "adapt" else ["norm", "head"], "epochs": 1, "bn": bn}
    train(tmp_path, model=model, epochs=1, phases=[phase], keep="last", batch_size=4)
    assert changed(Tiny(), model) == (expected | {"head.weight", "head.bias"} if bn == "adapt" else expected)


def test_frozen_parts_are_in_evaluation_mode_dropout_included():
    model = nn.ModuleDict({"stages": nn.Sequential(nn.Dropout(0.5), nn.Dropout(0.5)), "head": nn.Linear(2, 2)})
    model["stages"][1] = nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5), nn.Linear(2, 2))
    set_mode(model, ("stages.1",), "frozen")
    modes = {name: module.training for name, module in model.named_modules()}
    assert modes == {
        "": True, "stages": True, "stages.0": False, "stages.1": True, "stages.1.0": False, "stages.1.1": True,
        "stages.1.2": True, "head": False,
    }  # fmt: skip
    set_trained(model, ("stages.1",), "adapt")
    learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert learns == {"stages.1.2.weight", "stages.1.2.bias"}


def test_part_matches_whole_components_of_a_name():
    assert in_part("fused.backbones.video.stages.3.0.conv.weight", "stages.3")
    assert not in_part("fused.backbones.video.stages.30.conv.weight", "stages.3")
    assert in_part("head.weight", "head")
    assert not in_part("fused.head.weight", "head")
    assert in_part("fused.head.weight", "backbone")


def test_unknown_part_is_refused_with_the_nearest_name(tmp_path):
    with refused("model.no_part", where="train.phases") as error:
        train(tmp_path, phases=[{"name": "x", "train": ["vide"], "epochs": 3}])
    assert "'video'" in error.value.hint


def test_batch_norm_is_frozen_in_a_small_cohort_with_initial_weights():
    settings = TrainSettings()
    rules = [plan_phases(settings, norms_given=w, cases=n)[0].bn for w, n in ((True, 34), (True, 5000), (False, 34))]
    assert rules == ["frozen", "train", "train"]
    adapted = settings.model_copy(update={"bn": "adapt"})
    assert plan_phases(adapted, norms_given=True, cases=34)[0].bn == "adapt"


@pytest.mark.parametrize(
    "wrong",
    [
        {"phases": []}, {"phases": [{"name": "a"}]}, {"phases": [{**HEAD, "train": []}]}, {"phases": [HEAD, HEAD]},
        {"phases": [HEAD], "epochs": 3}, {"phases": [{**HEAD, "bn": "off"}]}, {"l1": {"strength": 0}},
    ],
)  # fmt: skip
def test_wrong_phases_are_refused(wrong):
    with pytest.raises(ValidationError):
        TrainSettings.model_validate(wrong)
    assert TrainSettings.model_validate({"phases": [HEAD, TUNE]}).epochs == 4


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    train(directory, **BOTH)
    return bits(directory)


def test_history_names_the_phase_and_its_learning_rate(never_stopped):
    assert [(r["phase"], r["lr"]) for r in never_stopped[1]] == [("head", 0.05)] * 2 + [("tune", 0.01)] * 2


@pytest.mark.parametrize("at", [1, 4, 5, 6, 9, 10, 11, 13, 20])
def test_training_in_phases_resumes_with_the_same_bits(tmp_path, never_stopped, at):
    with pytest.raises(Interrupted):
        train(tmp_path, callback=RecordingCallback(at, signal.SIGTERM), **BOTH)
    callback = RecordingCallback()
    train(tmp_path, resume=True, callback=callback, **BOTH)
    assert len(callback.steps) == 20 - at
    assert bits(tmp_path) == never_stopped


def test_selected_epoch_of_a_frozen_phase_includes_its_backbone(tmp_path):
    """The weights of the selected epoch are those of a training that ended there."""
    phases = [HEAD, {**TUNE, "lr": 1e-12}]
    best = train(tmp_path / "both", epochs=4, phases=phases, keep="best_val_auroc")
    assert best.selected.epoch <= 2
    short = [{**HEAD, "epochs": best.selected.epoch}]
    model = Tiny()
    train(tmp_path / "short", epochs=best.selected.epoch, phases=short, keep="last", model=model)
    whole = load_weights(tmp_path / "both" / "best" / "model.safetensors")[0]
    assert all(torch.equal(whole[name], tensor) for name, tensor in model.state_dict().items())


class CountingBlobs(Blobs):
    reads = 0

    def read(self, case, frames):
        self.reads += 1
        return super().read(case, frames)


def test_frozen_fold_reads_each_window_once_and_saves_its_head(tmp_path):
    clips, cache = CountingBlobs(CASES), FeatureCache(tmp_path / "features", "tiny")
    phases = {"epochs": 40, "phases": [{**HEAD, "epochs": 40}], "keep": "last", "cache": cache}
    model = Tiny()
    train(tmp_path / "a", model=model, clips=clips, **phases)
    assert clips.reads == 2 * len(FOLD.train) + len(FOLD.val)
    tensors, facts = load_weights(tmp_path / "a" / "best" / "model.safetensors")
    assert set(tensors) == {"head.weight", "head.bias"}
    assert facts["backbone_hash"] == backbone_hash(Tiny()) == backbone_hash(model)
    train(tmp_path / "b", clips=clips, **phases)
    assert clips.reads == 2 * len(FOLD.train) + len(FOLD.val)  # all of them are in the cache
    assert bits(tmp_path / "a") == bits(tmp_path / "b")
    with refused("checkpoint.other_backbone"):
        train(tmp_path / "a", model=Tiny(seed=1), clips=clips, resume=True, **phases)


def test_features_depend_on_seed_copy_and_case_alone(tmp_path):
    model, clips = Tiny(), Blobs(CASES)
    windows = Window(frames=5, start="even", clips=2)(clips.lengths, "test", 0, 0)

    def features(windows=windows, batch_size=4, augment=(shake,), cache=FeatureCache(None, ""), **key):  # noqa: B008
        job = FeatureJob(clips, windows, batch_size, augment, **{"seed": 1, "copy": 1, **key})
        return compute_features(model, job, backbone=backbone_hash(model), cache=cache, compute=COMPUTE)

    first = features()
    np.testing.assert_allclose(features(batch_size=7), first, rtol=1e-5, atol=1e-6)
    part = np.array([3, 11])
    np.testing.assert_allclose(features(select_cases(windows, part)), first[np.isin(windows.case, part)], rtol=1e-5)
    assert (features(copy=2) != first).any()
    assert (features(seed=2) != first).any()
    assert model.training
    plain = features(augment=())
    model.eval()
    with torch.no_grad():
        streams = {n: torch.from_numpy(d)[None].float() * s for n, (d, s) in clips.read(0, windows.frames[0]).items()}
        np.testing.assert_allclose(plain[0], model.encode(streams, {})[0], rtol=1e-5, atol=1e-6)
    cache = FeatureCache(tmp_path, "tiny")
    np.testing.assert_array_equal(features(cache=cache), features(cache=cache))
    [file] = tmp_path.rglob("*.safetensors")
    file.write_bytes(file.read_bytes()[:-8])  # damaged: computed again
    np.testing.assert_array_equal(features(cache=cache), features())
    other = features(cache=cache, copy=2)
    [exchanged] = set(tmp_path.rglob("*.safetensors")) - {file}
    shutil.copy2(file, exchanged)
    np.testing.assert_array_equal(features(cache=cache, copy=2), other)


def test_single_head_equals_a_frozen_phase(tmp_path):
    settings = TrainSettings.model_validate(
        {"phases": [{**HEAD, "epochs": 30, "copies": 1}], "batch_size": 4, "keep": "best_val_auroc"}
    )
    model, clips = Tiny(), Blobs(CASES)
    windows = Window(frames=5, start="first")(clips.lengths, "train", 1, 7)
    options = {"augment": (), "sampler": Window(frames=5, start="first")}
    whole = train(
        tmp_path, model=model, epochs=30, phases=[{**HEAD, "epochs": 30, "copies": 1}], l2_conv=0.0,
        clip_gradients=None, optimizer={}, precision="float32", **options,
    )  # fmt: skip
    job = FeatureJob(clips, windows, batch_size=16)
    cache = FeatureCache(None, "")
    values = torch.from_numpy(compute_features(model, job, backbone="b", cache=cache, compute=COMPUTE))
    head = Head(8, 2, dropout=0.2, seed=0)
    head.head.load_state_dict(Tiny().head.state_dict())
    samples = FeatureSource(
        (FeatureSamples(FOLD.train, values[FOLD.train]),), FeatureSamples(FOLD.val, values[FOLD.val])
    )
    task = FoldTask(clips, targets(), FOLD, tuple(NAMES), options["sampler"])
    history = fit_head(head, TwoClasses(), samples, task, settings, seed=7)
    assert [r["val_auroc"] for r in history] == [r["val_auroc"] for r in whole.history]
    torch.testing.assert_close(head.head.weight, model.head.weight)
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_signal_stops_a_frozen_phase_with_its_state_on_disk(tmp_path):
    phases = {"epochs": 6, "phases": [{**HEAD, "epochs": 6}], "keep": "best_val_auroc"}
    train(tmp_path / "whole", **phases)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", callback=RecordingCallback(13), **phases)
    assert sorted(os.listdir(tmp_path / "stopped")) == ["best", "history.jsonl", "last"]
    train(tmp_path / "stopped", resume=True, **phases)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


def test_l1_penalty_acts_on_its_parts_alone(tmp_path):
    one = {"epochs": 1, "batch_size": 64, "keep": "last", "optimizer": {"lr": 1e-3}, "clip_gradients": None}
    with_penalty, without = Tiny(), Tiny()
    a = train(tmp_path / "a", model=with_penalty, l1={"strength": 100.0, "on": ["head"]}, **one)
    b = train(tmp_path / "b", model=without, **one)
    assert a.history[0]["train_loss"] == b.history[0]["train_loss"]
    start = Tiny().head.weight
    torch.testing.assert_close(with_penalty.head.weight, start - 1e-3 * start.sign(), atol=1e-5, rtol=0)
    assert torch.equal(with_penalty.head.bias, without.head.bias)
    assert torch.equal(with_penalty.video.weight, without.video.weight)


def test_the_history_on_disk_is_strict_json(tmp_path):
    train(tmp_path, fold=replace(FOLD, number=5), **BOTH)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3, 4]
