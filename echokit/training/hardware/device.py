"""Choose device, number format, number of threads and deterministic algorithms."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from echokit.errors import EchokitError
from echokit.system.exhausted import require_address_space
from echokit.system.worker_pool import cores

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Precision:
    """A number format of a training.

    Attributes:
        dtype: Format of convolutions and matrix products; weights and losses stay float32.
        autocast: Whether torch casts to ``dtype``; False for plain float32.
        scaler: Whether the loss is scaled, so that small gradients do not vanish in float16.
        why: Name of the format and reason for the choice, for the lock and the user.
        tf32: Whether a GPU may round the inputs of float32 convolutions and products to TF32 (10 bits of fraction).
    """

    dtype: torch.dtype
    autocast: bool
    scaler: bool
    why: str
    tf32: bool = False

    @contextmanager
    def context(self, device: torch.device) -> Iterator[None]:
        """Compute a forward pass in this format inside the block."""
        kind = self.dtype if self.autocast else None
        with self.rounding(device), torch.autocast(device.type, kind, enabled=self.autocast):
            yield

    @contextmanager
    def rounding(self, device: torch.device) -> Iterator[None]:
        """Allow or forbid TF32 for float32 on a GPU inside the block.

        This includes backward passes. torch's own default allows it for convolutions and recurrent layers.
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
            for backend, value in zip(backends, before, strict=True):
                backend.fp32_precision = value


@dataclass(frozen=True)
class Compute:
    """Device and number format of a run."""

    device: torch.device
    precision: Precision


def choose_device(name: str) -> torch.device:
    """Choose a device by name.

    Args:
        name: ``cpu``, ``cuda``, or ``auto``: CUDA if there is a GPU.

    Raises:
        EchokitError: CUDA is requested and not available, or the name is unknown.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise EchokitError(
            "no CUDA device is available",
            hint="use --device cpu or auto; `nvidia-smi` shows whether the driver sees a GPU",
            where="--device cuda",
            code="device.no_cuda",
        )
    if name not in ("cpu", "cuda"):
        raise EchokitError(
            f"there is no device {name!r}", hint="use auto, cpu or cuda", where="--device", code="device.unknown"
        )
    return torch.device(name)


def choose_precision(device: torch.device, name: str) -> Precision:
    """Choose the number format.

    ``auto`` is bfloat16 if it is fast: CUDA from compute capability 8, CPUs with AMX, and AMD's with AVX512-BF16, whose
    dot products run at twice the rate of float32 (two-stream ResNet18 of the reference study, 38 x 112 x 112, batch 2,
    one core of a Zen 5: 5.8 s a step in float32, 3.4 s in bfloat16). It is float16 with loss scaling on older GPUs, and
    float32 otherwise: on other CPUs AVX512-BF16 was not faster.

    Args:
        device: As `choose_device` returns it.
        name: ``auto``, ``float32``, ``tf32``, ``bfloat16`` or ``float16``.

    Raises:
        EchokitError: float16 or TF32 on a device without it.
    """
    if name in ("float16", "tf32") and device.type != "cuda":
        raise EchokitError(
            f"{name} is for CUDA devices only",
            hint="use precision: auto; on a CPU it is bfloat16 or float32",
            where="train.precision",
            code="device.no_precision",
        )
    if name == "tf32" and (capability := torch.cuda.get_device_capability(device)) < (8, 0):
        raise EchokitError(
            f"a GPU of compute capability {capability[0]}.{capability[1]} has no TF32",
            hint="use precision: auto, which is float16 on this GPU",
            where="train.precision",
            code="device.no_precision",
        )
    if name != "auto":
        return _precision(name, "requested")
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
    """Return the instruction sets of the CPU by their Linux names, if known."""
    return frozenset(_cpu_field("flags", cpuinfo).split())


def cpu_vendor(cpuinfo: Path = _CPUINFO) -> str:
    """Return the vendor of the CPU (``AuthenticAMD``, ``GenuineIntel``), if known."""
    return _cpu_field("vendor_id", cpuinfo)


def _cpu_field(key: str, cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.split(":")[0].strip() == key), "")


def fix_threads() -> int:
    """Set the number of threads to the usable cores or ``OMP_NUM_THREADS``; return it.

    The number of threads determines how sums are split, and so the last bits of a result. It is recorded in the lock.

    Raises:
        EchokitError: A limit on memory leaves the libraries too little to compute.
    """
    require_address_space()
    requested = os.environ.get("OMP_NUM_THREADS", "")
    torch.set_num_threads(int(requested) if requested.isdigit() and int(requested) > 0 else cores())
    return torch.get_num_threads()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block.

    A head on features is too small for more, and its bits are then the same on any machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def reproducible(device: torch.device, deterministic: bool) -> Iterator[None]:
    """Use deterministic algorithms inside the block, if the device has them.

    On a CPU only the number of threads matters. On CUDA, torch warns of an operation without a deterministic algorithm
    (the backward pass of 3D max-pooling). If ``deterministic`` is False, cuDNN may choose its fastest algorithms.
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
        torch.use_deterministic_algorithms(deterministic, warn_only=True)
        torch.backends.cudnn.benchmark = not deterministic
        memory.fill_uninitialized_memory = False  # a debugging aid that costs a pass over memory
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]
        memory.fill_uninitialized_memory = before[3]


def _precision(name: str, why: str) -> Precision:
    if name == "tf32":
        return Precision(torch.float32, False, False, f"tf32: {why}", tf32=True)
    return Precision(getattr(torch, name), name != "float32", name == "float16", f"{name}: {why}")
