"""Checks of the environment: Python, torch, GPU, codecs, plugins, disk."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from echokit.system.distribution import DISTRIBUTION, VERSION, install_extra
from echokit.system.worker_pool import cores

State = Literal["ok", "optional", "warning", "missing"]
LOW_DISK = 10 * 2**30
ECHONET_CACHE_SIZE = "64 GB with flow, 22 GB without"
MIN_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        what: Name of what was checked.
        state: ``ok``; ``optional``: absent but not required; ``warning``; ``missing``: required.
        found: Description of the present state.
        fix: Command or step that fixes the problem; empty if there is none.
    """

    what: str
    state: State
    found: str
    fix: str = ""


def examine() -> list[Finding]:
    """Run every check; a check that raises an exception is itself a finding."""
    findings: list[Finding] = []
    for check in (_python, _packages, _torch, _cuda, _precision, _codecs, _dicom, _extras, _plugins, _disk, _memory):
        try:
            findings += check()
        except Exception as error:
            description = f"{type(error).__name__}: {' '.join(str(error).split())}"
            findings.append(Finding(check.__name__.strip("_"), "missing", description, f"install {DISTRIBUTION} again"))
    return findings


def _python() -> Iterator[Finding]:
    description = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < MIN_PYTHON:
        yield Finding("python", "missing", description, "install Python 3.11 or newer")
    else:
        yield Finding("python", "ok", description)
    yield Finding("echokit", "ok", VERSION)
    with suppress(PackageNotFoundError):
        found = f"the unrelated package echokit {version('echokit')} is installed, and its files may replace echokit's"
        yield Finding("package echokit", "warning", found, f"pip uninstall echokit, then install {DISTRIBUTION} again")


def _packages() -> Iterator[Finding]:
    """Compare the installed packages with the requirements of echokit."""
    from packaging.requirements import Requirement

    try:
        requirements = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        yield Finding("packages", "missing", f"{DISTRIBUTION} is not installed", "pip install -e . in its checkout")
        return
    missing, outdated = [], []
    for text in requirements:
        requirement = Requirement(text)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            present = version(requirement.name)
        except PackageNotFoundError:
            missing.append(requirement.name)
            continue
        if not requirement.specifier.contains(present, prereleases=True):
            outdated.append(f"{requirement.name} {present} (needs {requirement.specifier})")
    if missing or outdated:
        command = "pip install -U " + " ".join([*missing, *(entry.split()[0] for entry in outdated)])
        yield Finding("packages", "missing", ", ".join([*(f"no {name}" for name in missing), *outdated]), command)
    else:
        yield Finding("packages", "ok", "all required packages are installed")


def _torch() -> Iterator[Finding]:
    import torch
    import torchvision

    built = f", built for CUDA {torch.version.cuda}" if torch.version.cuda else ", for CPU only"
    yield Finding("torch", "ok", f"{torch.__version__}{built}; torchvision {torchvision.__version__}")
    yield Finding("cores", "ok", f"{cores()}, torch uses {torch.get_num_threads()} threads")


def _cuda() -> Iterator[Finding]:
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            description = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, capability {facts.major}.{facts.minor}"
            yield Finding(f"GPU {number}", "ok", description)
        return
    driver = shutil.which("nvidia-smi")
    if driver and not torch.version.cuda:
        problem = "there is a driver, but this torch was built without CUDA"
        yield Finding("GPU", "warning", problem, "pip install -U torch torchvision")
    elif driver:
        yield Finding("GPU", "warning", "there is a driver, but torch cannot use it", "run nvidia-smi to see why")
    else:
        yield Finding("GPU", "optional", "none: training runs on the CPU", "use a narrower model or smaller images")


def _precision() -> Iterator[Finding]:
    from echokit.training.hardware.device import choose_device, choose_precision

    device = choose_device("auto")
    precision = choose_precision(device, "auto")
    kind = str(precision.dtype).removeprefix("torch.")
    yield Finding("number format", "ok", f"{kind} on {device.type} ({precision.why})")


def _codecs() -> Iterator[Finding]:
    """Write and read an MJPEG clip, and look for the decoders of the other formats."""
    import av

    from echokit.data.video.read import read_video
    from echokit.phantom.case import sample_case
    from echokit.phantom.render import phantom_frames
    from echokit.phantom.write_mjpeg import write_mjpeg

    case = sample_case(0, 0, size=32, frames=(4, 4))
    with tempfile.TemporaryDirectory(prefix="echokit-") as folder:
        path = Path(folder) / "a.avi"
        write_mjpeg(path, phantom_frames(case), case.fps)
        clip = read_video(path)
    state: State = "ok" if len(clip) == case.frames else "missing"
    yield Finding("AVI (MJPEG)", state, "written and read back", "" if state == "ok" else "pip install -U av")
    for name, codec in (("MP4 (H.264)", "h264"), ("MP4 (H.265)", "hevc"), ("MP4 (MPEG-4)", "mpeg4")):
        if codec in av.codecs_available:
            yield Finding(name, "ok", "can be read")
        else:
            yield Finding(name, "missing", "no decoder", "pip install -U av")


def _dicom() -> Iterator[Finding]:
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import (
        ExplicitVRLittleEndian,
        JPEG2000Lossless,
        JPEGBaseline8Bit,
        JPEGLosslessSV1,
        JPEGLSLossless,
        RLELossless,
    )

    decoders = {
        ExplicitVRLittleEndian: ("uncompressed", "pydicom"),
        JPEGBaseline8Bit: ("JPEG", "python-gdcm"),
        JPEGLosslessSV1: ("JPEG lossless", "python-gdcm"),
        JPEGLSLossless: ("JPEG-LS", "python-gdcm"),
        JPEG2000Lossless: ("JPEG 2000", "pylibjpeg-openjpeg"),
        RLELossless: ("RLE", "pylibjpeg-rle"),
    }
    for syntax, (name, package) in decoders.items():
        decoder = get_decoder(syntax)
        if not decoder.is_available:
            yield Finding(f"DICOM {name}", "missing", "no decoder", f"pip install {package}")
        elif decoder.is_encapsulated:
            yield Finding(f"DICOM {name}", "ok", f"by {', '.join(decoder.available_plugins)}")
        else:
            yield Finding(f"DICOM {name}", "ok", "by pydicom itself")


def _extras() -> Iterator[Finding]:
    for extra, module, what in (
        ("camus", "nibabel", "NIfTI, for CAMUS"),
        ("excel", "openpyxl", "Excel tables"),
        ("parquet", "pyarrow", "Parquet tables"),
        ("tensorboard", "tensorboard", "track: tensorboard"),
        ("mlflow", "mlflow", "track: mlflow"),
        ("wandb", "wandb", "track: wandb"),
    ):
        if importlib.util.find_spec(module) is None:
            yield Finding(f"extra {extra}", "optional", f"not installed: {what}", install_extra(extra))
        else:
            yield Finding(f"extra {extra}", "ok", what)


def _plugins() -> Iterator[Finding]:
    from echokit.plugins.discovery import installed

    for plugin in installed().plugins:
        if plugin.problem:
            yield Finding(f"plugin {plugin.name}", "warning", plugin.problem, f"echokit plugin check {plugin.name}")
        else:
            yield Finding(f"plugin {plugin.name}", "ok", f"{plugin.package} {plugin.version}")


def _disk() -> Iterator[Finding]:
    from echokit.system.cache_folder import cache_folder_path

    cache = cache_folder_path()
    existing = next(path for path in (cache, *cache.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    description = f"{free / 2**30:.0f} GiB free for the cache at {cache}"
    if not os.access(existing, os.W_OK):
        yield Finding("disk", "missing", f"{existing} is not writable", "set ECHOKIT_CACHE to a writable folder")
    elif free < LOW_DISK:
        fix = f"EchoNet-Dynamic needs {ECHONET_CACHE_SIZE}: set ECHOKIT_CACHE to a folder on a larger disk"
        yield Finding("disk", "warning", description, fix)
    else:
        yield Finding("disk", "ok", description)


def _memory() -> Iterator[Finding]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return
    yield Finding("memory", "ok" if total > 6 * 2**30 else "warning", f"{total / 2**30:.0f} GiB")
