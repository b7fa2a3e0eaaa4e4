"""When memory runs out, a batch size that fits is searched and suggested."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import weakref

import pytest
import torch

from echokit.training.hardware import out_of_memory as memory
from echokit.training.hardware.distributed import Processes
from echokit.training.hardware.out_of_memory import explain_out_of_memory, largest_that_fits
from tests.expect import refused

from .blobs import Tiny, train


class Activations:
    """The tensors of a step."""


@pytest.mark.parametrize("fits", range(9))
def test_largest_batch_that_fits_is_found(fits):
    def attempt(clips: int) -> None:
        if clips > fits:
            raise MemoryError

    assert largest_that_fits(attempt, 9) == fits


def test_tensors_of_a_failed_step_are_freed_before_smaller_ones():
    computed: list[weakref.ref[Activations]] = []

    def step(clips: int) -> None:
        held = [ref for ref in computed if ref() is not None]
        activations = Activations()
        computed.append(weakref.ref(activations))
        if held or clips > 3:
            raise MemoryError

    with refused("train.out_of_memory") as error, explain_out_of_memory(8, step):
        step(8)
    assert "train.batch_size: 3" in error.value.hint


@pytest.mark.parametrize(
    ("message", "shortage"),
    [
        ("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried", True),
        ("could not create a primitive", True),
        ("could not create a primitive descriptor for a convolution forward propagation primitive", False),
        ("std::bad_alloc", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_messages_of_every_allocator_are_recognized(message, shortage):
    expected = refused("train.out_of_memory") if shortage else pytest.raises(RuntimeError, match=re.escape(message))
    with expected, explain_out_of_memory(8):
        raise RuntimeError(message)


def test_one_of_several_processes_tries_no_smaller_batch(monkeypatch):
    monkeypatch.setattr(memory, "processes", lambda: Processes(1, 2))
    tried: list[int] = []
    with refused("train.out_of_memory"), explain_out_of_memory(8, tried.append):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert not tried


def test_smaller_batches_are_tried_in_another_thread():
    """oneDNN keeps the error for the thread, and then fails at any size."""
    failed = threading.local()

    def step(clips: int) -> None:
        failed.once = clips > 5 or getattr(failed, "once", False)
        if failed.once:
            raise RuntimeError("could not create a primitive")

    with refused("train.out_of_memory") as error, explain_out_of_memory(16, step):
        step(16)
    assert "train.batch_size: 5" in error.value.hint


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError("CUDA out of memory")])
@pytest.mark.parametrize(("fits", "hint"), [(0, "smaller"), (1, "1 clip fits"), (3, "3 clips fits"), (6, "6 clips")])
def test_shortage_suggests_the_batch_that_fits(tmp_path, error, fits, hint):
    class Large(Tiny):
        def forward(self, streams, valid):
            if len(streams["video"]) > fits:
                raise error
            return super().forward(streams, valid)

    with refused("train.out_of_memory", where="train.batch_size") as caught:
        train(tmp_path, model=Large(), batch_size=8)
    assert hint in caught.value.hint


def test_shortage_of_cpu_memory_is_recognized(tmp_path):
    class Large(Tiny):
        def forward(self, streams, valid):
            return torch.empty(2**60)

    with refused("train.out_of_memory"):
        train(tmp_path, model=Large())


def test_other_errors_are_not_taken_for_a_shortage(tmp_path):
    class Wrong(Tiny):
        def forward(self, streams, valid):
            raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        train(tmp_path, model=Wrong())


SHORT = """
from echokit.system.malloc import tune_allocator
tune_allocator()
import resource
import torch
from torch import nn
from echokit.errors import EchokitError
from echokit.training.hardware.out_of_memory import explain_out_of_memory

torch.set_num_threads(1)
layers = [nn.Conv3d(8, 8, 3, padding=1) for _ in range(4)]
model = nn.Sequential(*(nn.Sequential(layer, nn.BatchNorm3d(8), nn.ReLU()) for layer in layers))

def step(clips):
    activations = torch.zeros(clips, 8, 16, 20, 20)
    for layer in model:
        activations = layer(activations)
    activations.square().mean().backward()
    model.zero_grad()

step(1)
fields = open("/proc/self/status").read().split()
taken = int(fields[fields.index("VmSize:") + 1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (taken + (120 << 20), taken + (120 << 20)))
try:
    with explain_out_of_memory(64, step):
        step(64)
except EchokitError as error:
    print(error.hint)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_real_shortage_suggests_a_batch_that_fits(monkeypatch):
    """Each clip takes about 4 MB, so that many more than 12 fit into what is free."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("ECHOKIT_MALLOC", raising=False)
    done = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=True, timeout=120)
    batch_size = re.search(r"train\.batch_size: (\d+)", done.stdout)
    assert batch_size is not None
    assert int(batch_size[1]) >= 12


GIVE_BACK = """
from echokit.system.malloc import give_memory_back, tune_allocator
tune_allocator()
import numpy as np

def resident():
    fields = open("/proc/self/status").read().split()
    return int(fields[fields.index("VmRSS:") + 1]) >> 10

def use(n):
    np.ones(n << 20, np.uint8)

use(200)
before = resident()
give_memory_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps memory, and Linux reports how much")
def test_freed_memory_is_given_back_to_the_system(monkeypatch):
    monkeypatch.delenv("ECHOKIT_MALLOC", raising=False)
    done = subprocess.run([sys.executable, "-c", GIVE_BACK], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) > 100
