"""What this machine has of what echokit uses; every lack with the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from echokit.workers import cores

State = Literal["ok", "optional", "warning", "missing"]
LITTLE_DISK = 10 * 2**30
ECHONET_STORE = "64 GB with flow, 22 GB without"
OLDEST_PYTHON = (3, 11)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: Its name.
        state: ``ok``; ``optional``: absent and not needed; ``warning``; ``missing``: needed.
        found: What there is, in words.
        mend: The command or step that mends a lack; empty where nothing lacks.
    """

    what: str
    state: State
    found: str
    mend: str = ""


def examine() -> list[Finding]:
    """Look at everything; a check that fails is a finding itself."""
    found: list[Finding] = []
    for check in (_python, _packages, _torch, _cuda, _precision, _codecs, _dicom, _extras, _plugins, _disk, _memory):
        try:
            found += check()
        except Exception as error:
            said = " ".join(str(error).split())
            words = f"{type(error).__name__}: {said}"
            found.append(Finding(check.__name__.strip("_"), "missing", words, "pip install -U echokit"))
    return found


def _python() -> Iterator[Finding]:
    words = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        yield Finding("python", "missing", words, "install Python 3.11 or newer")
    else:
        yield Finding("python", "ok", words)
    yield Finding("echokit", "ok", version("echokit"))


def _packages() -> Iterator[Finding]:
    """What the installed package says it needs."""
    from packaging.requirements import Requirement

    lacking, old = [], []
    for text in requires("echokit") or []:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            there = version(wanted.name)
        except PackageNotFoundError:
            lacking.append(wanted.name)
            continue
        if not wanted.specifier.contains(there, prereleases=True):
            old.append(f"{wanted.name} {there} (needs {wanted.specifier})")
    if lacking or old:
        command = "pip install -U " + " ".join([*lacking, *(one.split()[0] for one in old)])
        yield Finding("packages", "missing", ", ".join([*(f"no {one}" for one in lacking), *old]), command)
    else:
        yield Finding("packages", "ok", "all that echokit needs")


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
            words = f"{facts.name}, {facts.total_memory / 2**30:.0f} GiB, capability {facts.major}.{facts.minor}"
            yield Finding(f"GPU {number}", "ok", words)
        return
    driver = shutil.which("nvidia-smi")
    if driver and not torch.version.cuda:
        words, mend = "there is a driver, and this torch has no CUDA", "pip install -U torch torchvision"
        yield Finding("GPU", "warning", words, mend)
    elif driver:
        yield Finding("GPU", "warning", "there is a driver, and torch can not use it", "nvidia-smi says what is wrong")
    else:
        yield Finding("GPU", "optional", "none: training runs on the CPU", "a narrower model or smaller pictures help")


def _precision() -> Iterator[Finding]:
    from echokit.training.device import choose_device, choose_precision

    device = choose_device("auto")
    chosen = choose_precision(device, "auto")
    kind = str(chosen.dtype).removeprefix("torch.")
    yield Finding("number format", "ok", f"{kind} on {device.type} ({chosen.why})")


def _codecs() -> Iterator[Finding]:
    """Write a clip with each codec that matters, and read it back."""
    import av

    from echokit.phantom.cases import sample_case
    from echokit.phantom.encode import write_mjpeg
    from echokit.phantom.render import phantom_frames
    from echokit.video.reading import read_video

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

    mends = {
        ExplicitVRLittleEndian: ("uncompressed", "pydicom"),
        JPEGBaseline8Bit: ("JPEG", "python-gdcm"),
        JPEGLosslessSV1: ("JPEG lossless", "python-gdcm"),
        JPEGLSLossless: ("JPEG-LS", "python-gdcm"),
        JPEG2000Lossless: ("JPEG 2000", "pylibjpeg-openjpeg"),
        RLELossless: ("RLE", "pylibjpeg-rle"),
    }
    for syntax, (name, package) in mends.items():
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
        ("parquet", "pyarrow", "Parquet tables"),
        ("tensorboard", "tensorboard", "track: tensorboard"),
        ("mlflow", "mlflow", "track: mlflow"),
        ("wandb", "wandb", "track: wandb"),
    ):
        if importlib.util.find_spec(module) is None:
            yield Finding(f"extra {extra}", "optional", f"not installed: {what}", f"pip install 'echokit[{extra}]'")
        else:
            yield Finding(f"extra {extra}", "ok", what)


def _plugins() -> Iterator[Finding]:
    from echokit.plugins import installed

    everything = installed()
    for plugin in everything.plugins:
        if plugin.problem:
            yield Finding(f"plugin {plugin.name}", "warning", plugin.problem, f"echokit plugin check {plugin.name}")
        else:
            yield Finding(f"plugin {plugin.name}", "ok", f"{plugin.package} {plugin.version}")


def _disk() -> Iterator[Finding]:
    from echokit.workspace import workspace

    place = workspace()
    there = next(path for path in (place, *place.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    words = f"{free / 2**30:.0f} GiB free for the store at {place}"
    if not os.access(there, os.W_OK):
        yield Finding("disk", "missing", f"{there} can not be written", "set ECHOKIT_CACHE to a folder that can")
    elif free < LITTLE_DISK:
        mend = f"EchoNet-Dynamic needs {ECHONET_STORE}: set ECHOKIT_CACHE to a folder of a larger disk"
        yield Finding("disk", "warning", words, mend)
    else:
        yield Finding("disk", "ok", words)


def _memory() -> Iterator[Finding]:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return
    yield Finding("memory", "ok" if total > 6 * 2**30 else "warning", f"{total / 2**30:.0f} GiB")
