"""``echokit mask --audit``: what masks keep of hearts whose place is known, and what they tell."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from echokit.cli import exit_code
from echokit.phantom.clinical.directory import write_clinical
from echokit.tools.mask_audit.leakage import area_leak, silhouette_leak
from tests.tools.test_mask_videos import real_clip


def audited(capfd: pytest.CaptureFixture[str], out: Path, *sources: Path, code: int = 0) -> dict[str, Any]:
    assert exit_code(["mask", *map(str, sources), "--out", str(out), "--audit", "--json"]) == code
    found: dict[str, Any] = json.loads(capfd.readouterr().out)
    return found


def shares(found: dict[str, Any], what: str) -> dict[str, float]:
    return {mask["method"]: mask["shares"][what]["mean"] for mask in found["masks"]}


@pytest.mark.slow
def test_tracings_tell_what_is_kept_and_controls_stand_beside(
    tmp_path: Path, phantom: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = audited(capfd, tmp_path, phantom)
    assert [mask["method"] for mask in found["masks"]] == ["motion_mask", "sector_mask", "no_mask", "random_mask"]
    kept = shares(found, "ventricle")
    assert kept["motion_mask"] > 0.98
    assert kept["no_mask"] == 1
    assert kept["random_mask"] < 0.9
    assert found["masks"][2]["passed"] == 24
    assert set(found["masks"][0]["ef_tertiles"]) == {"low", "middle", "high"}
    assert found["masks"][0]["area_leak"]["n"] == 24
    assert "PHANTOM DATA" in (tmp_path / "audit.md").read_text()
    rows = list(csv.DictReader((tmp_path / "audit.csv").open()))
    assert len(rows) == 4 * 24
    assert {row["stamp"] for row in rows} == {"PHANTOM DATA"}
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_on_a_hospital_s_pictures_no_text_trace_or_number_is_kept(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_clinical(tmp_path / "clinic", patients=3, workers=1)
    found = audited(capfd, tmp_path / "audit", tmp_path / "clinic")
    for what, least in (("ventricle", 0.99), ("moving", 0.95)):
        assert shares(found, what)["motion_mask"] >= least
    screen = shares(found, "screen")
    assert screen["no_mask"] == 1
    assert screen["motion_mask"] == 0
    assert screen["sector_mask"] == 0


def test_audit_without_truth_lists_unreadable_files(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.avi"
    broken.write_bytes(b"RIFF no video")
    found = audited(capfd, tmp_path / "audit", real_clip(), broken, code=2)
    assert [failure["case_id"] for failure in found["failures"]] == ["broken"]
    assert "ventricle" not in found["masks"][0]["shares"]
    assert found["masks"][0]["area_leak"]["auroc"] is None
    assert not found["sector_known"]
    assert "No outcome is known" in (tmp_path / "audit" / "audit.md").read_text()
    assert not found["phantom"]


def test_a_mask_that_tells_the_outcome_is_found() -> None:
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    told = area_leak(y, 0.4 + 0.2 * y + generator.normal(0, 0.05, 40))
    assert told.beyond_chance
    assert not area_leak(y, generator.normal(0, 0.05, 40)).beyond_chance
    outlines = generator.random((40, 64)).astype(np.float32)
    assert not silhouette_leak(y, outlines).beyond_chance
    outlines[:, :16] += y[:, None]
    assert silhouette_leak(y, outlines).beyond_chance
