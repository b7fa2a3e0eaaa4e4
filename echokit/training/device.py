"""Where a model is computed, in which number format, and with the same bits twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from echokit.errors import EchokitError
from echokit.workers import cores

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Precision:
    """The number format of a training.

    Attributes:
        dtype: Of convolutions and matrix products; weights and losses stay float32.
        autocast: Whether torch casts to ``dtype``; False for plain float32.
        scaler: Whether the loss is scaled, so that small gradients do not vanish in float16.
        why: The reason for the choice, for the lock and the user.
        tf32: Whether a GPU may round what enters float32 convolutions and products to TF32 (10 bits of fraction).
    """

    dtype: torch.dtype
    autocast: bool
    scaler: bool
    why: str
    tf32: bool = False

    @contextmanager
    def context(self, device: torch.device) -> Iterator[None]:
        """Compute a forward pass in this format inside the block; torch is then as it was."""
        kind = self.dtype if self.autocast else None
        with self.rounding(device), torch.autocast(device.type, kind, enabled=self.autocast):
            yield

    @contextmanager
    def rounding(self, device: torch.device) -> Iterator[None]:
        """Say for float32 on a GPU whether it may be TF32, backward passes included.

        torch's own default says yes of convolutions and recurrent layers, unasked.
        """
        if device.type != "cuda":
            yield
            return
        cudnn: Any = torch.backends.cudnn
        backends: tuple[Any, ...] = (torch.backends.cuda.matmul, cudnn.conv, cudnn.rnn)
        before = [backend.fp32_precision for backend in backends]
        try:
            for backend in backends:
                backend.fp32_precision = "tf32" if self.tf32 else "ieee"
            yield
        finally:
            for backend, was in zip(backends, before, strict=True):
                backend.fp32_precision = was


@dataclass(frozen=True)
class Compute:
    """Where and in which number format a run computes."""

    device: torch.device
    precision: Precision


def choose_device(name: str) -> torch.device:
    """Return the device of a name.

    Args:
        name: ``cpu``, ``cuda``, or ``auto``: CUDA where there is one.

    Raises:
        EchokitError: CUDA was asked for and there is none, or the name is another one.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise EchokitError(
            "no CUDA device is available",
            hint="use --device cpu or auto; `nvidia-smi` shows whether the driver sees a GPU",
            where="--device cuda",
        )
    if name not in ("cpu", "cuda"):
        raise EchokitError(f"there is no device {name!r}", hint="auto, cpu or cuda", where="--device")
    return torch.device(name)


def choose_precision(device: torch.device, wanted: str) -> Precision:
    """Choose the number format.

    ``auto`` takes bfloat16 where it is fast: CUDA from compute capability 8, CPUs with AMX, and AMD's with AVX512-BF16,
    whose dot products run at twice the rate of float32 (the study's two-stream ResNet18, 38 x 112 x 112, batch 2, one
    core of a Zen 5: 5.8 s a step in float32, 3.4 s in bfloat16); float16 with loss scaling on older GPUs; else float32,
    as nothing that was measured speaks for AVX512-BF16 on other CPUs.

    Args:
        device: As `choose_device` returns it.
        wanted: ``auto``, ``float32``, ``tf32``, ``bfloat16`` or ``float16``.

    Raises:
        EchokitError: float16 or TF32 on a device that has none.
    """
    if wanted in ("float16", "tf32") and device.type != "cuda":
        raise EchokitError(
            f"{wanted} is for CUDA devices only",
            hint="use precision: auto; on a CPU it is bfloat16 or float32",
            where="train.precision",
        )
    if wanted == "tf32" and (capability := torch.cuda.get_device_capability(device)) < (8, 0):
        raise EchokitError(
            f"a GPU of compute capability {capability[0]}.{capability[1]} has no TF32",
            hint="use precision: auto, which takes float16 there",
            where="train.precision",
        )
    if wanted != "auto":
        return _precision(wanted, "asked for")
    if device.type == "cuda":
        major, minor = torch.cuda.get_device_capability(device)
        if major >= 8:
            return _precision("bfloat16", f"compute capability {major}.{minor} has bfloat16")
        return _precision("float16", f"compute capability {major}.{minor} only emulates bfloat16")
    flags = cpu_flags()
    if "amx_bf16" in flags:
        return _precision("bfloat16", "the CPU has AMX")
    if "avx512_bf16" in flags and cpu_vendor() == "AuthenticAMD":
        return _precision("bfloat16", "AMD's AVX512-BF16 is twice as fast in convolutions")
    if "avx512_bf16" in flags:
        return _precision("float32", "without AMX, bfloat16 by AVX512 is slower than float32")
    return _precision("float32", "the CPU has no bfloat16 arithmetic")


def cpu_flags(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Instruction sets of the CPU as Linux names them; empty where it does not say."""
    return frozenset(_cpu_says("flags", cpuinfo).split())


def cpu_vendor(cpuinfo: Path = _CPUINFO) -> str:
    """Who made the CPU (``AuthenticAMD``, ``GenuineIntel``), as Linux names it; empty where it does not say."""
    return _cpu_says("vendor_id", cpuinfo)


def _cpu_says(what: str, cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == what), "")


def fix_threads() -> int:
    """Compute with one thread a core that this process may use (or ``OMP_NUM_THREADS``); return their number.

    The number of threads decides how sums are split, and so the last bits of a result: it belongs into the
    lock.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    usable = cores()
    torch.set_num_threads(int(asked) if asked.isdigit() and int(asked) > 0 else usable)
    return torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block: a head on features is too small for more, and the same on any machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(device: torch.device, wanted: bool) -> Iterator[None]:
    """Compute the same bits twice where the device can; on leaving, torch is as it was.

    On a CPU the number of threads is all that matters. On CUDA the deterministic algorithms are chosen; of an
    operation that has none (the backward pass of 3D max-pooling) torch warns and computes it as it can. Where
    the same bits are not wanted, cuDNN may try its algorithms and take the fastest.
    """
    if device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    memory: Any = torch.utils.deterministic
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
        memory.fill_uninitialized_memory,
    )
    try:
        torch.use_deterministic_algorithms(wanted, warn_only=True)
        torch.backends.cudnn.benchmark = not wanted
        memory.fill_uninitialized_memory = False  # it finds mistakes, and costs a pass over memory
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
        memory.fill_uninitialized_memory = before[3]


def _precision(name: str, why: str) -> Precision:
    if name == "tf32":
        return Precision(torch.float32, False, False, f"tf32: {why}", tf32=True)
    return Precision(getattr(torch, name), name != "float32", name == "float16", f"{name}: {why}")
