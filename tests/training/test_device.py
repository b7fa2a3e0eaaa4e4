"""Devices, number formats, threads, and the allocator."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from echokit.training.hardware import device as device_module
from echokit.training.hardware.device import (
    choose_device,
    choose_precision,
    cpu_flags,
    cpu_vendor,
    fix_threads,
    reproducible,
)
from tests.expect import refused

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_device_is_chosen_by_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == choose_device("cpu") == CPU
    with refused("device.no_cuda", where="--device cuda"):
        choose_device("cuda")
    with refused("device.unknown", where="--device"):
        choose_device("tpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto") == choose_device("cuda") == CUDA


@pytest.mark.parametrize(
    ("flags", "vendor", "dtype"),
    [
        ({"amx_bf16", "avx512_bf16"}, "GenuineIntel", torch.bfloat16),
        ({"avx512_bf16"}, "GenuineIntel", torch.float32),  # supported, but slower
        ({"avx512_bf16"}, "AuthenticAMD", torch.bfloat16),
        (set(), "AuthenticAMD", torch.float32),
    ],
)
def test_precision_of_a_cpu(monkeypatch, flags, vendor, dtype):
    monkeypatch.setattr(device_module, "cpu_flags", lambda: frozenset(flags))
    monkeypatch.setattr(device_module, "cpu_vendor", lambda: vendor)
    precision = choose_precision(CPU, "auto")
    assert precision.dtype == dtype
    assert precision.autocast == (dtype != torch.float32)
    assert not precision.scaler
    assert str(dtype).removeprefix("torch.") in precision.why
    assert choose_precision(CPU, "bfloat16").dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("capability", "dtype"), [((9, 0), torch.bfloat16), ((8, 0), torch.bfloat16), ((7, 5), torch.float16)]
)
def test_precision_of_a_gpu(monkeypatch, capability, dtype):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    precision = choose_precision(CUDA, "auto")
    assert precision.dtype == dtype
    assert precision.scaler == (dtype == torch.float16)
    assert not choose_precision(CUDA, "float32").autocast


@pytest.mark.parametrize("name", ["float16", "tf32"])
def test_precision_without_support_by_the_cpu_is_refused(name):
    with refused("device.no_precision", where="train.precision"):
        choose_precision(CPU, name)


def test_tf32_needs_a_gpu_that_supports_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    with refused("device.no_precision", where="train.precision"):
        choose_precision(CUDA, "tf32")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    precision = choose_precision(CUDA, "tf32")
    assert (precision.dtype, precision.autocast, precision.tf32) == (torch.float32, False, True)
    assert precision.why == "tf32: requested"


@pytest.mark.parametrize(("name", "mode"), [("tf32", "tf32"), ("float32", "ieee"), ("bfloat16", "ieee")])
def test_float32_is_rounded_to_tf32_only_on_request(monkeypatch, name, mode):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    backends = (torch.backends.cuda.matmul, torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [backend.fp32_precision for backend in backends]
    with choose_precision(CUDA, name).rounding(CUDA):
        assert [backend.fp32_precision for backend in backends] == [mode] * 3
    assert [backend.fp32_precision for backend in backends] == before


def test_flags_are_read_from_cpuinfo(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nvendor_id\t: AuthenticAMD\nflags\t\t: fpu amx_bf16 avx\n\nprocessor\t: 1\nflags\t\t: fpu\n"
    )
    assert cpu_flags(file) == {"fpu", "amx_bf16", "avx"}
    assert cpu_vendor(file) == "AuthenticAMD"
    assert cpu_flags(tmp_path / "none") == frozenset()
    assert cpu_vendor(tmp_path / "none") == ""


def test_number_of_threads_is_the_requested_or_usable_one(monkeypatch):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "1")
        assert fix_threads() == torch.get_num_threads() == 1
        monkeypatch.delenv("OMP_NUM_THREADS")
        assert fix_threads() == len(os.sched_getaffinity(0))
    finally:
        torch.set_num_threads(before)


def test_reproducible_restores_the_settings_of_torch(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    with reproducible(CUDA, True):
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.backends.cudnn.benchmark
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.backends.cudnn.benchmark
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    with reproducible(CUDA, False):
        assert not torch.are_deterministic_algorithms_enabled()
        assert torch.backends.cudnn.benchmark
    assert not torch.backends.cudnn.benchmark


@pytest.mark.parametrize(
    ("first", "environment", "state"),
    [
        ("", {}, "glibc keeps freed memory"),
        ("", {"ECHOKIT_MALLOC": "default"}, "left alone: ECHOKIT_MALLOC"),
        ("sys.modules['torch'] = None; ", {}, "left alone: torch was imported before"),
    ],
)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc only")
def test_allocator_reports_its_state(first, environment, state):
    code = f"import sys; {first}from echokit.system.malloc import tune_allocator; print(tune_allocator())"
    child = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.startswith(state)
