"""Describe this machine and its libraries."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from echokit.system.worker_pool import cores

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "opencv-python",
    "av",
    "pydicom",
    "scikit-learn",
    "safetensors",
    "pandas",
)


def environment() -> dict[str, Any]:
    """Describe this machine and its libraries, without names or paths."""
    packages = {}
    for name in PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = "not installed"
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": cores(),
        "packages": packages,
    }


def processor() -> str:
    """Return the name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
