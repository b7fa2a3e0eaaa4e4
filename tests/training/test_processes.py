"""Several processes train the same model as one process with their batches together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echokit import load_run
from echokit.models.weights.weight_files import load_weights
from echokit.training.phase_trainer import cut_steps, deal_clips


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_clips_are_dealt_evenly_and_each_once(clips, batch_size, processes):
    rows = deal_clips(np.arange(clips), batch_size, processes)
    micro_batches = [micro_batch for row in rows for micro_batch in row]
    assert sorted(np.concatenate(micro_batches).tolist()) == list(range(clips))
    sizes = [len(micro_batch) for micro_batch in micro_batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert {len(row) for row in rows} == {processes}
    assert len(rows) == -(-clips // (batch_size * processes))


@given(st.integers(1, 40), st.integers(1, 4), st.integers(1, 2), st.integers(1, 4))
def test_a_last_step_that_is_too_small_joins_the_one_before(clips, batch_size, accumulate, processes):
    """Otherwise batch norm would lack variance, or count placeholders."""
    step_size = batch_size * accumulate * processes
    steps = cut_steps(np.arange(clips), step_size, processes)
    assert np.concatenate(steps).tolist() == list(range(clips))
    assert {len(step) for step in steps[:-1]} <= {step_size}
    assert len(steps[-1]) <= step_size + max(processes - 1, 1)
    assert len(steps[-1]) > 1 or clips == 1 or step_size == 1
    if batch_size > 1 and clips >= processes:
        for step in steps:
            rows = deal_clips(step, batch_size + (len(step) > step_size), processes)
            assert len(rows) <= accumulate
            assert all(len(micro_batch) for row in rows for micro_batch in row)


@pytest.mark.parametrize("processes", [1, 2])
def test_accelerate_that_starts_one_process_is_refused(tmp_path: Path, processes: int) -> None:
    """Accelerate does so with --cpu; a single requested process is accepted."""
    (tmp_path / "launched.py").write_text(
        "import torch\nfrom echokit.training.hardware.distributed import init_distributed\n"
        "print(init_distributed(torch.device('cpu'))[0])\n"
    )
    launcher = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes", str(processes)]
    done = subprocess.run(
        [*launcher, str(tmp_path / "launched.py")], capture_output=True, text=True, timeout=120, check=False
    )
    if processes == 1:
        assert "Processes(index=0, count=1)" in done.stdout, done.stderr
    else:
        assert done.returncode != 0
        assert "torchrun --nproc-per-node N -m echokit run" in done.stderr


TWO = """
extends: {base}
name: {name}
train:
  epochs: 2
  batch_size: {batch_size}
  accumulate: {accumulate}
  optimizer: {{use: sgd, lr: 0.01, momentum: 0.5}}
  clip_gradients: 0.5
  bn: {bn}
  precision: float32
  keep: last
objective: {{use: cross_entropy, class_weights: balanced}}
"""


def launch(launcher: list[str], arguments: list[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [*launcher, *arguments], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29611"]
ACCELERATE = [
    sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1",
    "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "29612",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("launcher", "accumulate", "bn"), [(TORCHRUN, 1, "frozen"), (ACCELERATE, 2, "frozen"), (TORCHRUN, 1, "train")]
)
def test_two_processes_train_the_model_of_one_with_twice_the_batch(
    tiny: Path, tmp_path: Path, launcher: list[str], accumulate: int, bn: str
) -> None:
    """Batches do not divide the cases, losses are weighted; batch statistics allow a larger tolerance."""
    (tmp_path / "one.yaml").write_text(
        TWO.format(base=tiny, name="one", batch_size=6 * accumulate, accumulate=1, bn=bn)
    )
    (tmp_path / "two.yaml").write_text(TWO.format(base=tiny, name="two", batch_size=3, accumulate=accumulate, bn=bn))
    out = ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    launch([sys.executable, "-m", "echokit"], ["run", str(tmp_path / "one.yaml"), *out])
    launch(launcher, ["-m", "echokit", "run", str(tmp_path / "two.yaml"), *out])
    one, two = load_run(tmp_path / "runs" / "one"), load_run(tmp_path / "runs" / "two")
    assert two.lock.content["compute"]["processes"] == 2
    assert len(list((tmp_path / "runs" / "two").glob("2*"))) == 1
    histories = [
        [json.loads(line) for line in (run.path / "history.jsonl").read_text().splitlines()] for run in (one, two)
    ]
    tolerance = 1e-3 if bn == "frozen" else 0.5
    for a, b in zip(*histories, strict=True):
        for key in ("train_loss", "val_loss"):
            assert a[key] == pytest.approx(b[key], rel=tolerance), key
    if bn != "frozen":
        return
    weights = [load_weights(run.fold(0) / "best" / "model.safetensors")[0] for run in (one, two)]
    for name, tensor in weights[0].items():
        np.testing.assert_allclose(weights[1][name], tensor, rtol=2e-3, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(one.predictions["y_score"], two.predictions["y_score"], atol=1e-4)
