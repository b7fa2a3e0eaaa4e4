"""fit learns, gives the same bits twice, records its history and selects an epoch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from echokit.data.sampling.window_sampler import Window
from echokit.models.weights.weight_files import load_weights
from echokit.training.epoch_metric import EpochMetric
from echokit.training.scoring import auroc, score
from tests.expect import refused

from .blobs import CASES, CLOCK, COMPUTE, FOLD, Blobs, RecordingCallback, Tiny, TwoClasses, bits, targets, train


@pytest.fixture(scope="module")
def first_training(tmp_path_factory) -> tuple[dict[str, bytes], list[dict]]:
    directory = tmp_path_factory.mktemp("first")
    train(directory, keep="last")
    return bits(directory)


def test_fit_learns_to_detect_motion(tmp_path):
    model, clips = Tiny(), Blobs(CASES)
    options = {"epochs": 25, "batch_size": 3, "optimizer": {"lr": 0.05}, "keep": "last", "augment": ()}
    result = train(tmp_path, model=model, **options)
    assert result.history[0]["train_accuracy"] < 0.8
    assert result.history[-1]["train_accuracy"] > 0.8
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"] - 0.2
    windows = Window(frames=5, start="even", clips=2)(clips.lengths, "test", 0, 0)
    scores = score(model, TwoClasses(), clips, windows, batch_size=7, compute=COMPUTE)
    test = np.isin(scores.case, FOLD.test)
    assert auroc(targets().y_true[scores.case[test]], scores.score[test]) > 0.9


def test_same_seed_gives_the_same_bits_and_restores_random_state(tmp_path, first_training):
    model = Tiny()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    train(tmp_path, model=model, keep="last")
    assert torch.equal(before, torch.get_rng_state())
    assert bits(tmp_path) == first_training


def test_another_seed_gives_other_bits(tmp_path, first_training):
    train(tmp_path, keep="last", seed=8)
    assert bits(tmp_path)[0] != first_training[0]


def test_augmentation_depends_on_seed_epoch_and_case_alone(tmp_path):
    def draw(name, **options):
        drawn = {}

        def record(streams, generator):
            [case] = streams["video"].double().sum((1, 2, 3, 4)).tolist()
            drawn.setdefault(case, []).append(torch.rand(1, generator=generator).item())
            return streams

        train(tmp_path / name, augment=(record,), sampler=Window(frames=6, start="first"), keep="last", **options)
        return drawn

    once = draw("once")
    assert len(once) == len(FOLD.train)
    assert len({number for numbers in once.values() for number in numbers}) == 3 * len(FOLD.train)
    assert draw("larger", batch_size=7) == once
    assert draw("together", batch_size=2, accumulate=3) == once
    assert draw("elsewhere", fold=replace(FOLD, number=0)) == once
    assert draw("other", seed=8) != once


def test_history_agrees_with_the_reported_steps(tmp_path):
    callback = RecordingCallback()
    result = train(tmp_path, callback=callback)
    assert [(s.epoch, s.epochs, s.step, s.steps) for s in callback.steps] == [
        (e, 3, s, 5) for e in (1, 2, 3) for s in range(1, 6)
    ]
    assert [r["train_loss"] for r in result.history] == [callback.steps[i].loss for i in (4, 9, 14)]
    assert [r["epoch"] for r in callback.epochs] == [1, 2, 3]
    assert list(result.history) == callback.epochs
    assert set(callback.epochs[0]) == CLOCK | {
        "fold", "epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_auroc", "lr"
    }  # fmt: skip


def test_best_checkpoint_holds_the_selected_epoch(tmp_path):
    """A training of as many epochs as were selected ends with the selected weights."""
    result = train(tmp_path / "rule", keep="best_val_auroc", epochs=6)
    assert result.selected.epoch < 6
    train(tmp_path / "short", keep="last", epochs=result.selected.epoch)
    assert bits(tmp_path / "rule")[0] == bits(tmp_path / "short")[0]
    assert load_weights(tmp_path / "rule" / "best" / "model.safetensors")[1] == {"recipe": "blobs"}


def test_loss_that_is_not_finite_names_epoch_step_and_cases(tmp_path):
    class Broken(TwoClasses):
        def loss(self, outputs, y_true, value):
            total, weight = super().loss(outputs, y_true, value)
            return total * torch.where(value.isnan().any(), float("nan"), 1.0), weight

    wrong = replace(targets(), value=np.where(np.arange(CASES) == 9, np.nan, 50.0))
    callback = RecordingCallback()
    with refused("train.loss_not_finite", names=("nan", "epoch 1")) as error:
        train(tmp_path, objective=Broken(), targets=wrong, callback=callback, batch_size=2)
    assert "case-9" in error.value.message
    assert f"epoch 1, step {len(callback.steps) + 1}" in error.value.message
    assert error.value.message.count("case-") == 2


def test_only_the_last_epoch_is_selected_without_validation(tmp_path):
    fold = replace(FOLD, val=np.array([], np.int64))
    for keep in ("study_rule", "best_val_auroc"):
        with refused("train.no_validation", where="train.keep"):
            train(tmp_path, fold=fold, keep=keep)
    result = train(tmp_path, fold=fold, keep="last")
    assert result.selected.epoch == 3
    assert result.history[0]["val_auroc"] is None


def test_validation_set_of_one_class_is_reported(tmp_path):
    callback = RecordingCallback()
    result = train(tmp_path, fold=replace(FOLD, val=np.array([18, 20])), callback=callback)
    assert result.selected.epoch == 3
    assert callback.warnings == [result.selected.note]


def test_case_without_frames_is_named(tmp_path):
    clips = Blobs(CASES)
    clips.lengths[4] = 0
    with refused("fold.no_frames", names=("case-4",)) as error:
        train(tmp_path, clips=clips)
    assert "case-4" in error.value.message


@pytest.mark.parametrize(("larger", "values", "epochs", "best"), [(True, (1, 3, 2, 2), 4, 2), (False, (4, 1, 3), 4, 2)])
def test_the_number_of_an_evaluator_selects_and_stops(tmp_path, larger, values, epochs, best):
    seen = iter((*values, None, None))

    def measure(scores):
        np.testing.assert_array_equal(scores.case, FOLD.val)
        return next(seen)

    metrics = (EpochMetric("val_lab:x", larger, measure),)
    stop = {"patience": 2, "metric": "val_lab:x"}
    result = train(tmp_path, metrics=metrics, early_stop=stop, keep="val_lab:x", epochs=6)
    assert [record["val_lab:x"] for record in result.history] == [*values, None, None][:epochs]
    assert (len(result.history), result.selected.epoch) == (epochs, best)
    again = train(tmp_path, metrics=metrics, early_stop=stop, keep="val_lab:x", epochs=6, resume=True)
    assert again.history == result.history


def test_early_stop_ends_a_phase_that_does_not_improve(tmp_path):
    stuck = {"optimizer": {"use": "sgd", "lr": 1e-12}, "epochs": 9}
    result = train(tmp_path, early_stop={"patience": 2, "by": 0.01}, keep="last", **stuck)
    assert len(result.history) == 3
    assert result.selected.epoch == 3
    again = train(tmp_path, early_stop={"patience": 2, "by": 0.01}, keep="last", resume=True, **stuck)
    assert again == result
    empty = replace(FOLD, val=np.array([], np.int64))
    with refused("train.no_validation", where="train.early_stop"):
        train(tmp_path / "b", early_stop={"patience": 2}, keep="last", fold=empty)
