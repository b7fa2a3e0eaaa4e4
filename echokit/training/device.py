"""Where a model is computed, in which number format, and with the same bits twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from echokit.errors import EchokitError


@dataclass(frozen=True, slots=True)
class Precision:
    """The number format of a training.

    Attributes:
        dtype: Of convolutions and matrix products; weights and losses stay float32.
        autocast: Whether torch casts to ``dtype``; False for plain float32.
        scaler: Whether the loss is scaled, so that small gradients do not vanish in float16.
        why: The reason for the choice, for the lock and the user.
    """

    dtype: torch.dtype
    autocast: bool
    scaler: bool
    why: str

    def context(self, device: torch.device) -> torch.autocast:
        """The autocast context of the forward pass."""
        return torch.autocast(device.type, self.dtype if self.autocast else None, enabled=self.autocast)


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

    ``auto`` takes bfloat16 where it is fast: CUDA from compute capability 8, CPUs with AMX; float16 with loss
    scaling on older GPUs; else float32. A CPU with AVX512-BF16 but without AMX does have bfloat16, but there
    the study's two-stream ResNet18 (38 x 56 x 56, batch 4, two cores) trained 1.03 clips/s with it and 1.61
    clips/s in float32.

    Args:
        device: As `choose_device` returns it.
        wanted: ``auto``, ``float32``, ``bfloat16`` or ``float16``.

    Raises:
        EchokitError: float16 on a CPU.
    """
    if wanted == "float16" and device.type != "cuda":
        raise EchokitError(
            "float16 is for CUDA devices only",
            hint="use precision: auto; on a CPU it is bfloat16 or float32",
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
    if "avx512_bf16" in flags:
        return _precision("float32", "without AMX, bfloat16 by AVX512 is slower than float32")
    return _precision("float32", "the CPU has no bfloat16 arithmetic")


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """Instruction sets of the CPU as Linux names them; empty where it does not say."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return next((frozenset(line.partition(":")[2].split()) for line in lines if line.startswith("flags")), frozenset())


def fix_threads() -> int:
    """Compute with one thread a core that this process may use (or ``OMP_NUM_THREADS``); return their number.

    The number of threads decides how sums are split, and so the last bits of a result: it belongs into the
    lock.
    """
    asked = os.environ.get("OMP_NUM_THREADS", "")
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch.set_num_threads(int(asked) if asked.isdigit() and int(asked) > 0 else usable)
    return torch.get_num_threads()


@contextmanager
def reproducible(device: torch.device, wanted: bool) -> Iterator[None]:
    """Compute the same bits twice where the device can; on leaving, torch is as it was.

    On a CPU the number of threads is all that matters. On CUDA the deterministic algorithms are chosen; of an
    operation that has none (the backward pass of 3D max-pooling) torch warns and computes it as it can.
    """
    if not wanted or device.type != "cuda":
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        torch.backends.cudnn.benchmark,
    )
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.backends.cudnn.benchmark = False
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.benchmark = before[2]


def _precision(name: str, why: str) -> Precision:
    return Precision(getattr(torch, name), name != "float32", name == "float16", f"{name}: {why}")
