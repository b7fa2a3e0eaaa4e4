"""``echokit saliency`` on a small run: the command is registered, and the maps are correct."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from echokit_captum.attribution import gradients, occlusion
from echokit_captum.picture import overlay

import echokit

SMALL = {
    "data": {"use": "phantom", "cases": 24, "ef": "wide", "fallback": None},
    "model.backbone": {"use": "resnet18", "width": 4},
    "preprocess": [{"use": "trim", "frames": 10}, {"use": "resize", "size": 24}, "optical_flow"],
    "clip.frames": 10,
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.keep": "last",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> echokit.Run:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "saliency-cache"))
        return echokit.run("ef_56", set=SMALL, out=tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def video(run: echokit.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return next((tmp_path_factory.getbasetemp() / "saliency-cache").rglob("*.avi"))


def test_the_command_writes_image_overlays_and_facts(run: echokit.Run, video: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "echokit", "saliency", str(run.path), str(video), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--steps", "8"], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stderr
    assert "PHANTOM DATA" in done.stdout
    assert (tmp_path / "out" / "saliency.png").read_bytes().startswith(b"\x89PNG")
    for name in ("occlusion", "gradients"):
        assert len(echokit.read_video(tmp_path / "out" / f"{name}.avi")) == 10
    facts = json.loads((tmp_path / "out" / "saliency.json").read_text())
    assert facts["data"] == "PHANTOM DATA"
    assert facts["methods"]["gradients"]["share"].keys() == {"video", "flow"}
    assert sum(facts["methods"]["occlusion"]["share"].values()) == pytest.approx(1)


def test_help_lists_the_command_and_an_unknown_run_fails(tmp_path: Path) -> None:
    shown = subprocess.run([sys.executable, "-m", "echokit", "--help"], capture_output=True, text=True, check=True)
    assert re.search(r"^  saliency\b", shown.stdout, re.M)
    assert "[captum]" in shown.stdout
    command = [sys.executable, "-m", "echokit", "saliency", "nothing", "video.avi", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_the_same_video_has_the_same_maps(run: echokit.Run, video: Path) -> None:
    model = echokit.RunModel(run, "cpu")
    first = gradients(model, model.read(video), steps=4)
    second = gradients(model, model.read(video), steps=4)
    np.testing.assert_array_equal(first.heat, second.heat)
    assert first.heat.shape == (10, 24, 24)


class OneCorner(echokit.RunModel):
    """A model whose evidence is the brightness of one corner of the first frames."""

    def evidence(self, streams, valid):
        return streams["video"][:, 0, :4, :6, :6].mean(dim=(1, 2, 3)) + 0 * streams["flow"].sum(dim=(1, 2, 3, 4))


def test_the_maps_highlight_the_input_that_was_used(run: echokit.Run, video: Path) -> None:
    model = OneCorner(run, "cpu")
    given = model.read(video)
    streams = {**given.streams, "video": given.streams["video"].clone()}
    streams["video"][:, :, :4, :6, :6] = 200.0
    given = echokit.ModelInput(streams, given.valid, given.empty, given.frames, given.fps, given.notes)
    for map_ in (gradients(model, given, steps=8), occlusion(model, given, patch=0.25, span=2)):
        assert map_.facts["share"]["video"] > 0.999
        heat = np.abs(map_.heat)
        assert heat[:6, :12, :12].sum() > 0.99 * heat.sum()
        assert map_.heat[:4, :6, :6].mean() > 0
    exact = gradients(model, given, steps=8)
    assert exact.facts["gap"] < 1e-3  # exact for a linear function
    expected = float(model.evidence(given.streams, given.valid)[0]) - float(given.empty["video"].mean())
    assert exact.heat.sum() == pytest.approx(expected, rel=1e-3)


def test_overlay_is_red_for_and_blue_against() -> None:
    frames = np.full((2, 16, 16), 100, np.uint8)
    heat = np.zeros((2, 16, 16), np.float32)
    heat[:, :4, :4], heat[:, -4:, -4:] = 1.0, -1.0
    shown = overlay(frames, heat)
    red, blue, grey = (shown[0][position].astype(int) for position in ((8, 8), (-8, -8), (112, 112)))
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50
    np.testing.assert_array_equal(grey, [100, 100, 100])
    assert (overlay(frames, 0 * heat) == 100).all()
