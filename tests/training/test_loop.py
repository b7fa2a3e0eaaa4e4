"""fit learns, gives the same bits twice, and the same bits again when it is stopped anywhere and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from echokit.errors import DataError, EchokitError
from echokit.models.weights import load_weights
from echokit.sampling.window import Window
from echokit.training.device import choose_precision
from echokit.training.scoring import auroc, score
from echokit.training.signals import Interrupted
from echokit.training.watch import NoCallback

from .blobs import CASES, FOLD, Blobs, Tiny, TwoClasses, targets, train

STEPS = 5  # of an epoch: 18 training cases in batches of 4, the last of 2
CLOCK = {"seconds", "clips_per_second"}


class Remembering(NoCallback):
    """A watch that keeps what it is told, and can send a signal after a step or an epoch."""

    def __init__(self, at: int | None = None, sent: int = signal.SIGINT, after: str = "step") -> None:
        self.steps, self.epochs, self.notes = [], [], []
        self.at, self.sent, self.after = at, sent, after

    def step(self, epoch, epochs, step, steps, loss, clips_per_second):
        self.steps.append((epoch, epochs, step, steps, loss))
        if self.after == "step" and len(self.steps) == self.at:
            os.kill(os.getpid(), self.sent)

    def epoch(self, record):
        self.epochs.append(dict(record))
        if self.after == "epoch" and len(self.epochs) == self.at:
            os.kill(os.getpid(), self.sent)

    def note(self, text):
        self.notes.append(text)


def bits(directory: Path) -> tuple[dict[str, bytes], list[dict]]:
    """The kept weights and the history without its times."""
    tensors, _ = load_weights(directory / "best" / "model.safetensors")
    lines = [json.loads(line) for line in (directory / "history.jsonl").read_text().splitlines()]
    history = [{k: v for k, v in line.items() if k not in CLOCK} for line in lines]
    return {name: tensor.numpy().tobytes() for name, tensor in tensors.items()}, history


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory) -> tuple[dict[str, bytes], list[dict]]:
    directory = tmp_path_factory.mktemp("whole")
    train(directory, keep="last")
    return bits(directory)


def test_it_learns_what_moves(tmp_path):
    model, clips = Tiny(), Blobs(CASES)
    options = {"epochs": 25, "batch_size": 3, "optimizer": {"lr": 0.05}, "keep": "last", "augment": ()}
    result = train(tmp_path, model=model, **options)
    assert result.history[0]["train_accuracy"] < 0.8
    assert result.history[-1]["train_accuracy"] > 0.8
    assert result.history[-1]["train_loss"] < result.history[0]["train_loss"] - 0.2
    windows = Window(frames=5, start="even", clips=2)(clips.lengths, "test", 0, 0)
    cpu = torch.device("cpu")
    arguments = {"batch_size": 7, "device": cpu, "precision": choose_precision(cpu, "float32")}
    scores = score(model, TwoClasses(), clips, windows, **arguments)
    test = np.isin(scores.case, FOLD.test)
    assert auroc(targets().y_true[scores.case[test]], scores.score[test]) > 0.9


def test_two_trainings_give_the_same_bits_and_leave_the_random_state_alone(tmp_path, never_stopped):
    model = Tiny()
    torch.manual_seed(123)
    before = torch.get_rng_state()
    train(tmp_path, model=model, keep="last")
    assert torch.equal(before, torch.get_rng_state())
    assert bits(tmp_path) == never_stopped


def test_another_seed_gives_other_bits(tmp_path, never_stopped):
    train(tmp_path, keep="last", seed=8)
    assert bits(tmp_path)[0] != never_stopped[0]


def test_what_augmentation_does_to_a_case_depends_on_seed_epoch_and_case_alone(tmp_path):
    def drawn(name, **options):
        seen = {}

        def note(streams, generator):
            [case] = streams["video"].double().sum((1, 2, 3, 4)).tolist()
            seen.setdefault(case, []).append(torch.rand(1, generator=generator).item())
            return streams

        train(tmp_path / name, augment=(note,), sampler=Window(frames=6, start="first"), keep="last", **options)
        return seen

    once = drawn("once")
    assert len(once) == len(FOLD.train)
    assert len({number for numbers in once.values() for number in numbers}) == 3 * len(FOLD.train)
    assert drawn("larger", batch_size=7) == once
    assert drawn("together", batch_size=2, accumulate=3) == once
    assert drawn("elsewhere", fold=replace(FOLD, number=0)) == once
    assert drawn("other", seed=8) != once


@pytest.mark.parametrize("at", range(1, 3 * STEPS + 1))
def test_a_training_stopped_after_any_step_resumes_with_the_same_bits(tmp_path, never_stopped, at):
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path, keep="last", watch=Remembering(at))
    assert stopped.value.exit_code == 130
    watch = Remembering()
    train(tmp_path, keep="last", resume=True, watch=watch, model=Tiny(seed=99))
    assert len(watch.steps) == 3 * STEPS - at
    assert bits(tmp_path) == never_stopped
    assert not (tmp_path / "last").exists()


def test_a_training_stopped_twice_in_one_epoch_resumes_with_the_same_bits(tmp_path, never_stopped):
    for resume, at in ((False, 6), (True, 2)):
        with pytest.raises(Interrupted):
            train(tmp_path, keep="last", resume=resume, watch=Remembering(at, signal.SIGTERM))
    train(tmp_path, keep="last", resume=True)
    assert bits(tmp_path) == never_stopped


def test_a_signal_during_validation_is_not_lost(tmp_path):
    class Signalling(Blobs):
        def read(self, case, frames):
            if case == FOLD.val[0]:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().read(case, frames)

    train(tmp_path / "whole")
    with pytest.raises(Interrupted) as stopped:
        train(tmp_path / "stopped", clips=Signalling(CASES))
    assert stopped.value.exit_code == 143
    train(tmp_path / "stopped", resume=True)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


def test_a_signal_after_the_last_step_stops_the_run_once_the_fold_is_done(tmp_path, never_stopped):
    with pytest.raises(Interrupted):
        train(tmp_path, keep="last", watch=Remembering(3, after="epoch"))
    assert bits(tmp_path) == never_stopped


def test_a_finished_training_is_not_repeated(tmp_path):
    first, again = Tiny(), Tiny(seed=5)
    done = train(tmp_path, model=first)
    watch = Remembering()
    result = train(tmp_path, model=again, resume=True, watch=watch)
    assert not watch.steps
    assert result == done
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


@pytest.mark.parametrize("call", [2, 9, 17])
def test_a_killed_training_resumes_with_the_same_bits(tmp_path, never_stopped, call):
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from pathlib import Path
from training.blobs import train
sync, calls = os.fsync, []
def kill_or_sync(descriptor):
    calls.append(descriptor)
    if len(calls) == {call}:
        os.kill(os.getpid(), signal.SIGKILL)
    sync(descriptor)
os.fsync = kill_or_sync
train(Path({str(tmp_path)!r}), keep="last")
"""
    child = subprocess.run([sys.executable, "-c", code], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert child.returncode == -signal.SIGKILL
    train(tmp_path, keep="last", resume=True)
    assert bits(tmp_path) == never_stopped


def test_the_running_sums_of_the_history_are_those_of_the_steps(tmp_path):
    watch = Remembering()
    result = train(tmp_path, watch=watch)
    assert [s[:4] for s in watch.steps] == [(e, 3, s, 5) for e in (1, 2, 3) for s in range(1, 6)]
    assert [r["train_loss"] for r in result.history] == [watch.steps[i][4] for i in (4, 9, 14)]
    assert [r["epoch"] for r in watch.epochs] == [1, 2, 3]
    assert list(result.history) == watch.epochs
    assert set(watch.epochs[0]) == CLOCK | {
        "fold", "epoch", "phase", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_auroc", "lr"
    }  # fmt: skip


def test_the_kept_weights_are_those_of_the_kept_epoch(tmp_path):
    """Trained for as many epochs as were kept, the last weights are the kept ones."""
    result = train(tmp_path / "rule", keep="best_val_auroc", epochs=6)
    assert result.kept.epoch < 6
    train(tmp_path / "short", keep="last", epochs=result.kept.epoch)
    assert bits(tmp_path / "rule")[0] == bits(tmp_path / "short")[0]
    assert load_weights(tmp_path / "rule" / "best" / "model.safetensors")[1] == {"recipe": "blobs"}


def test_the_penalty_is_on_kernels_alone_and_not_in_the_loss(tmp_path):
    with_penalty, without = Tiny(), Tiny()
    options = {"optimizer": {"use": "adam", "lr": 1e-3}, "epochs": 1, "batch_size": 64, "keep": "last"}
    a = train(tmp_path / "a", model=with_penalty, l2_conv=100.0, clip_gradients=None, **options)
    b = train(tmp_path / "b", model=without, l2_conv=0.0, clip_gradients=None, **options)
    assert a.history[0]["train_loss"] == b.history[0]["train_loss"]
    assert torch.equal(with_penalty.head.weight, without.head.weight)
    assert torch.equal(with_penalty.video.bias, without.video.bias)
    # With so strong a penalty the first step of Adam moves every kernel weight by lr towards 0.
    start = Tiny().video.weight
    torch.testing.assert_close(with_penalty.video.weight, start - 1e-3 * start.sign(), atol=1e-5, rtol=0)


def test_a_loss_that_is_not_finite_names_epoch_step_and_cases(tmp_path):
    class Broken(TwoClasses):
        def loss(self, outputs, y_true, value):
            total, weight = super().loss(outputs, y_true, value)
            return total * torch.where(value.isnan().any(), float("nan"), 1.0), weight

    wrong = replace(targets(), value=np.where(np.arange(CASES) == 9, np.nan, 50.0))
    watch = Remembering()
    with pytest.raises(EchokitError, match=r"nan in epoch 1, step \d") as error:
        train(tmp_path, objective=Broken(), targets=wrong, watch=watch, batch_size=2)
    assert "case-9" in error.value.message
    assert f"step {len(watch.steps) + 1}" in error.value.message
    assert error.value.message.count("case-") == 2


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
@pytest.mark.parametrize(("fits", "hint"), [(0, "smaller"), (1, "1 clip fits"), (3, "3 clips fits"), (6, "6 clips")])
def test_too_little_memory_is_said_with_the_batch_that_fits(tmp_path, error, fits, hint):
    class Large(Tiny):
        def forward(self, streams, valid):
            if len(streams["video"]) > fits:
                raise error
            return super().forward(streams, valid)

    with pytest.raises(EchokitError, match="memory for batches of 8") as told:
        train(tmp_path, model=Large(), batch_size=8)
    assert hint in told.value.hint


def test_the_allocator_of_the_cpu_is_understood(tmp_path):
    class Large(Tiny):
        def forward(self, streams, valid):
            return torch.empty(2**60)

    with pytest.raises(EchokitError, match="not enough memory"):
        train(tmp_path, model=Large())


def test_other_errors_are_not_taken_for_memory(tmp_path):
    class Wrong(Tiny):
        def forward(self, streams, valid):
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tmp_path, model=Wrong())


def test_without_validation_only_the_last_epoch_can_be_kept(tmp_path):
    fold = replace(FOLD, val=np.array([], np.int64))
    for keep in ("study_rule", "best_val_auroc"):
        with pytest.raises(EchokitError, match="none"):
            train(tmp_path, fold=fold, keep=keep)
    result = train(tmp_path, fold=fold, keep="last")
    assert result.kept.epoch == 3
    assert result.history[0]["val_auroc"] is None


def test_one_class_in_validation_is_noted(tmp_path):
    watch = Remembering()
    result = train(tmp_path, fold=replace(FOLD, val=np.array([18, 20])), watch=watch)
    assert result.kept.epoch == 3
    assert watch.notes == [result.kept.note]


def test_a_case_without_frames_is_named(tmp_path):
    clips = Blobs(CASES)
    clips.lengths[4] = 0
    with pytest.raises(DataError, match="case-4"):
        train(tmp_path, clips=clips)


def test_an_earlier_training_is_not_overwritten(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, watch=Remembering(7))
    with pytest.raises(EchokitError, match="trained before"):
        train(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"), [({"seed": 8}, "seed"), ({"epochs": 4}, "settings"), ({"metadata": {}}, "metadata")]
)
@pytest.mark.parametrize("finished", [True, False])
def test_another_training_does_not_resume_this_one(tmp_path, change, named, finished):
    if finished:
        train(tmp_path)
    else:
        with pytest.raises(Interrupted):
            train(tmp_path, watch=Remembering(3))
    with pytest.raises(EchokitError, match=rf"another training: {named} differ"):
        train(tmp_path, resume=True, **change)


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("how", ["cut", "flipped", "missing"])
def test_a_damaged_checkpoint_is_said(tmp_path, file, how):
    with pytest.raises(Interrupted):
        train(tmp_path, watch=Remembering(3))
    path = tmp_path / "last" / file
    content = bytearray(path.read_bytes())
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[-20] ^= 1
        path.write_bytes(content)
    with pytest.raises(EchokitError, match=r"damaged|no such file|not a whole"):
        train(tmp_path, resume=True)


def test_no_file_is_a_pickle(tmp_path):
    with pytest.raises(Interrupted):
        train(tmp_path, watch=Remembering(8))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors", ".json", ".jsonl"}
    assert len(files) == 6
    for path in files:
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            content = content[8 : 8 + int.from_bytes(content[:8], "little")]  # the header, which is JSON
        for text in content.splitlines() if path.suffix == ".jsonl" else [content]:
            json.loads(text)


def test_bfloat16_trains_and_keeps_float32_weights(tmp_path):
    model = Tiny()
    result = train(tmp_path, model=model, precision="bfloat16", epochs=1)
    assert result.precision.autocast
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    other = train(tmp_path / "float32", precision="float32", epochs=1)
    assert result.history[0]["train_loss"] != other.history[0]["train_loss"]


EVERYTHING = {
    "optimizer": {"use": "sgd", "lr": 0.02, "momentum": 0.9}, "schedule": {"use": "cosine", "unit": "step"},
    "ema": {"decay": 0.9}, "accumulate": 2, "batch_size": 2, "layer_decay": 0.8,
    "l1": {"strength": 1e-4}, "early_stop": {"patience": 3},
}  # fmt: skip


OPTIMIZERS = ("sgd", "lamb", "lion", "adan", "muon", "nadam", "rprop", "nesterovw", "madgrad", "radam")


@pytest.mark.parametrize("use", OPTIMIZERS)
def test_every_kind_of_optimizer_resumes_with_the_same_bits(tmp_path, use):
    changes = {"optimizer": {"use": use, "lr": 0.01}, "epochs": 2, "keep": "last"}
    train(tmp_path / "whole", **changes)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", watch=Remembering(7), **changes)
    train(tmp_path / "stopped", resume=True, model=Tiny(seed=9), **changes)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


@pytest.mark.parametrize("changes", [EVERYTHING, {**EVERYTHING, "optimizer": {"use": "lamb", "lr": 0.02}}])
@pytest.mark.parametrize("at", [1, 5, 7, 12])
def test_everything_at_once_resumes_with_the_same_bits(tmp_path, changes, at):
    train(tmp_path / "whole", **changes)
    with pytest.raises(Interrupted):
        train(tmp_path / "stopped", watch=Remembering(at), **changes)
    train(tmp_path / "stopped", resume=True, model=Tiny(seed=9), **changes)
    assert bits(tmp_path / "stopped") == bits(tmp_path / "whole")


def without_chance(seed: int = 0) -> Tiny:
    """No dropout, and batch norm that does not look at the batch."""
    model = Tiny(seed)
    model.dropout.p = 0.0
    return model


def test_accumulated_batches_are_one_batch_of_all(tmp_path):
    """Weighted losses, a last step that is not full, and micro_batches of different sizes included."""
    options = {"keep": "last", "augment": (), "bn": "frozen", "optimizer": {"use": "sgd", "lr": 0.1}}
    options["precision"] = "float32"
    one, many = without_chance(), without_chance()
    a = train(tmp_path / "one", model=one, batch_size=7, **options)
    b = train(tmp_path / "many", model=many, batch_size=3, accumulate=3, **options)
    c = train(tmp_path / "nine", model=(nine := without_chance()), batch_size=9, **options)
    for first, second in zip(nine.parameters(), many.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-7)
    assert [r["train_loss"] for r in b.history] == pytest.approx([r["train_loss"] for r in c.history], rel=1e-5)
    assert a.history[-1]["train_loss"] != pytest.approx(b.history[-1]["train_loss"], rel=1e-5)


def test_the_average_is_validated_kept_and_scored_and_the_weights_go_on(tmp_path):
    options = {"keep": "last", "epochs": 2, "optimizer": {"use": "sgd", "lr": 0.05}}
    plain, averaged = Tiny(), Tiny()
    a = train(tmp_path / "plain", model=plain, **options)
    b = train(tmp_path / "averaged", model=averaged, ema={"decay": 0.5}, **options)
    assert [r["train_loss"] for r in a.history] == [r["train_loss"] for r in b.history]
    assert [r["val_loss"] for r in a.history] != [r["val_loss"] for r in b.history]
    weights = Remembered()
    train(tmp_path / "steps", model=weights.model, watch=weights, **options)
    expected = Tiny().head.weight.detach()
    for n, after in enumerate(weights.seen, 1):
        keep = min(0.5, (1 + n) / (10 + n))
        expected = keep * expected + (1 - keep) * after
    torch.testing.assert_close(averaged.head.weight.detach(), expected)


class Remembered(NoCallback):
    """A watch that copies the head after every step."""

    def __init__(self) -> None:
        self.model, self.seen = Tiny(), []

    def step(self, *told):
        self.seen.append(self.model.head.weight.detach().clone())


def test_a_phase_that_gets_no_better_ends_early(tmp_path):
    stuck = {"optimizer": {"use": "sgd", "lr": 1e-12}, "epochs": 9}
    result = train(tmp_path, early_stop={"patience": 2, "by": 0.01}, keep="last", **stuck)
    assert len(result.history) == 3
    assert result.kept.epoch == 3
    again = train(tmp_path, early_stop={"patience": 2, "by": 0.01}, keep="last", resume=True, **stuck)
    assert again == result
    empty = replace(FOLD, val=np.array([], np.int64))
    with pytest.raises(EchokitError, match="early stop"):
        train(tmp_path / "b", early_stop={"patience": 2}, keep="last", fold=empty)


def test_layer_decay_scales_the_steps_of_the_optimizer(tmp_path):
    model = Tiny()
    one = {"epochs": 1, "batch_size": 64, "keep": "last", "l2_conv": 0.0, "clip_gradients": None, "augment": ()}
    train(tmp_path, model=model, optimizer={"lr": 1e-3}, layer_decay=0.5, **one)
    moved = [(a - b).detach().abs().max() for a, b in zip(model.parameters(), Tiny().parameters(), strict=True)]
    # Adam's first step is of the size of its rate: layers are video, flow, norm, and the head.
    assert [float(m) for m in moved] == pytest.approx([1.25e-4] * 2 + [2.5e-4] * 2 + [5e-4] * 2 + [1e-3] * 2, rel=0.02)


def test_a_compiled_step_learns_the_same(tmp_path, monkeypatch):
    """That the option reaches torch.compile; the compiler itself is torch's to test, and takes a minute."""
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda model: compiled.append(model) or model)
    model = Tiny()
    train(tmp_path / "a", model=model, compile=True, epochs=1)
    assert compiled == [model]


def test_a_compiler_that_fails_is_an_error_of_one_sentence(tmp_path, monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("No working C++ compiler found")

    compile_by = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compile_by(model, backend=broken))
    with pytest.raises(EchokitError, match=r"torch.compile has failed: .*No working C.. compiler found") as told:
        train(tmp_path / "a", compile=True, epochs=1)
    assert "train.compile: false" in str(told.value)
    torch.compiler.reset()


def test_gradients_are_cut_to_a_length_all_together(tmp_path):
    model = Tiny()
    one = {"epochs": 1, "batch_size": 64, "keep": "last", "l2_conv": 0.0, "augment": ()}
    train(tmp_path, model=model, optimizer={"use": "sgd", "lr": 1.0}, clip_gradients=1e-3, **one)
    moved = [(a - b).detach().square().sum() for a, b in zip(model.parameters(), Tiny().parameters(), strict=True)]
    assert float(sum(moved).sqrt()) == pytest.approx(1e-3, rel=0.01)
