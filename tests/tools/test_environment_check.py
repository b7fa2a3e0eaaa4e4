"""``echokit doctor``: every problem has a fix, and a failing check is reported."""

import importlib.util
import json
import shutil
from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from echokit.cli import exit_code
from echokit.system.distribution import install_extra
from echokit.tools import environment_check as doctor


def test_the_test_environment_is_complete(capfd: pytest.CaptureFixture[str]) -> None:
    assert exit_code(["doctor", "--json"]) == 0
    findings = {finding["what"]: finding for finding in json.loads(capfd.readouterr().out)}
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
        assert findings[what]["state"] == "ok", findings[what]
    assert sum(what.startswith("DICOM ") for what in findings) == 6
    assert all(finding["fix"] for finding in findings.values() if finding["state"] in ("optional", "missing"))


def test_missing_packages_come_with_the_command_to_install_them(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    find_spec = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "nibabel" else find_spec(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy>=999", "no-such-package", "skipped; extra == 'x'"])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: type("Usage", (), {"free": 2**30})())
    assert exit_code(["doctor"]) == 1
    output = capfd.readouterr().out
    assert install_extra("camus") in output
    assert "pip install -U no-such-package numpy" in output
    assert "ECHOKIT_CACHE" in output


def test_a_check_that_raises_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Any:
        raise RuntimeError("the driver\nis upset")

    monkeypatch.setattr(doctor, "_cuda", broken)
    [finding] = [finding for finding in doctor.examine() if finding.state == "missing"]
    assert finding.found == "RuntimeError: the driver is upset"
