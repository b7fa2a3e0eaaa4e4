"""``echokit doctor``: what is here is found, what lacks comes with what mends it, and no check can end it."""

import importlib.util
import json
import shutil
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from echokit import doctor
from echokit.cli import exit_code


def test_this_machine_has_what_echokit_needs(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["doctor", "--json"]) == 0
    found = {one["what"]: one for one in json.loads(capfd.readouterr().out)}
    for what in (
        "python",
        "packages",
        "torch",
        "number format",
        "AVI (MJPEG)",
        "MP4 (H.264)",
        "disk",
        "plugin echokit",
    ):
        assert found[what]["state"] == "ok", found[what]
    assert sum(what.startswith("DICOM ") for what in found) == 6
    assert all(one["mend"] for one in found.values() if one["state"] in ("optional", "missing"))


def test_a_lack_comes_with_its_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    real = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "nibabel" else real(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy>=999", "no-such-package", "skipped; extra == 'x'"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**30})())
    assert exit_code(["doctor"]) == 1
    said = capfd.readouterr().out
    assert "pip install 'echokit[camus]'" in said
    assert "pip install -U no-such-package numpy" in said
    assert "set ECHOKIT_CACHE" in said


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("the driver\nis upset")

    monkeypatch.setattr(doctor, "_cuda", broken)
    [found] = [one for one in doctor.examine() if one.state == "missing"]
    assert found.found == "RuntimeError: the driver is upset"
