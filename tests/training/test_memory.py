"""When memory runs out, a size that fits is found and said; nothing of what did not fit is held meanwhile."""

from __future__ import annotations

import subprocess
import sys
import threading
import weakref

import pytest
import torch

from echokit.errors import EchokitError
from echokit.training import memory
from echokit.training.memory import explain_out_of_memory, largest_that_fits
from echokit.training.processes import Processes


class Held:
    """Stands for what a step has computed."""


@pytest.mark.parametrize("fits", range(9))
def test_the_largest_batch_that_fits_is_found(fits):
    def attempt(clips: int) -> None:
        if clips > fits:
            raise MemoryError

    assert largest_that_fits(attempt, 9) == fits


def test_nothing_of_a_step_that_did_not_fit_is_held_while_smaller_ones_are_tried():
    computed: list[weakref.ref[Held]] = []

    def step(clips: int) -> None:
        held = [ref for ref in computed if ref() is not None]
        of_this_step = Held()
        computed.append(weakref.ref(of_this_step))
        if held or clips > 3:
            raise MemoryError

    with pytest.raises(EchokitError) as told, explain_out_of_memory(8, step):
        step(8)
    assert "a training step of 3 clips fits (tried)" in str(told.value)


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried", True),
        ("could not create a primitive", True),
        ("could not create a primitive descriptor for a convolution forward propagation primitive", False),
        ("std::bad_alloc", True),
        ("cuDNN error: CUDNN_STATUS_ALLOC_FAILED", True),
        ("mat1 and mat2 shapes cannot be multiplied", False),
    ],
)
def test_each_allocator_s_words_are_known(said, short):
    with pytest.raises(EchokitError if short else RuntimeError) as told, explain_out_of_memory(8):
        raise RuntimeError(said)
    assert ("not enough memory" if short else said) in str(told.value)


def test_one_of_several_processes_tries_nothing_as_the_others_would_not_answer(monkeypatch):
    monkeypatch.setattr(memory, "processes", lambda: Processes(1, 2))
    tried: list[int] = []
    with pytest.raises(EchokitError, match="several do not"), explain_out_of_memory(8, tried.append):
        raise torch.OutOfMemoryError("CUDA out of memory")
    assert not tried


def test_onednn_that_has_failed_once_is_asked_again_in_another_thread():
    """It keeps the error for the thread, and then fails at any size."""
    failed = threading.local()

    def step(clips: int) -> None:
        failed.once = clips > 5 or getattr(failed, "once", False)
        if failed.once:
            raise RuntimeError("could not create a primitive")

    with pytest.raises(EchokitError) as told, explain_out_of_memory(16, step):
        step(16)
    assert "a training step of 5 clips fits (tried)" in str(told.value)


SHORT = """
from echokit.training.allocator import tune_allocator
tune_allocator()
import resource
import torch
from torch import nn
from echokit.errors import EchokitError
from echokit.training.memory import explain_out_of_memory

torch.set_num_threads(1)
layers = [nn.Conv3d(8, 8, 3, padding=1) for _ in range(4)]
model = nn.Sequential(*(nn.Sequential(layer, nn.BatchNorm3d(8), nn.ReLU()) for layer in layers))

def step(clips):
    answers = torch.zeros(clips, 8, 16, 20, 20)
    for layer in model:
        answers = layer(answers)
    answers.square().mean().backward()
    model.zero_grad()

step(1)
words = open("/proc/self/status").read().split()
taken = int(words[words.index("VmSize:") + 1]) << 10
resource.setrlimit(resource.RLIMIT_AS, (taken + (120 << 20), taken + (120 << 20)))
try:
    with explain_out_of_memory(64, step):
        step(64)
except EchokitError as error:
    print(error.hint)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux does")
def test_a_real_shortage_ends_with_a_size_that_fits(monkeypatch):
    """Each clip takes about 4 MB, so that many more than 12 fit into what is free."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("ECHOKIT_MALLOC", raising=False)
    done = subprocess.run([sys.executable, "-c", SHORT], capture_output=True, text=True, check=True, timeout=120)
    assert "fits (tried): train.batch_size: " in done.stdout
    assert int(done.stdout.partition("train.batch_size: ")[2].partition(";")[0]) >= 12


KEPT = """
from echokit.training.allocator import give_memory_back, tune_allocator
tune_allocator()
import numpy as np

def resident():
    words = open("/proc/self/status").read().split()
    return int(words[words.index("VmRSS:") + 1]) >> 10

def use(n):
    np.ones(n << 20, np.uint8)

use(200)
kept = resident()
give_memory_back()
print(kept - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc keeps memory, and Linux tells how much")
def test_what_was_kept_can_be_given_back(monkeypatch):
    monkeypatch.delenv("ECHOKIT_MALLOC", raising=False)
    done = subprocess.run([sys.executable, "-c", KEPT], capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) > 100
