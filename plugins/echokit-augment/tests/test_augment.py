"""BackMix, mixup and speckle: conformance, worked numbers, and a run."""

import json
from pathlib import Path

import pytest
import torch
from echokit_augment.backmix import BackMix
from echokit_augment.mixup import Mixup
from echokit_augment.speckle import Speckle

import echokit
from echokit import LabelledBatch


@pytest.mark.echokit_plugin("augment")
def test_conformance(echokit_check):
    echokit_check()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def levels(count: int = 6, size: int = 20) -> LabelledBatch:
    """Return clips of one grey level each: their number."""
    video = torch.arange(count, dtype=torch.float32)[:, None, None, None, None].expand(count, 1, 3, size, size)
    streams = {"video": video, "flow": video.repeat(1, 2, 1, 1, 1)}
    return LabelledBatch(streams, torch.arange(count) % 2, video[:, 0, 0, 0, 0])


def test_backmix_changes_the_background_alone():
    before = levels()
    after = BackMix(angle=45, p=1.0)(before, generator())
    video = after.streams["video"]
    assert torch.equal(video[..., 10:, 8:12], before.streams["video"][..., 10:, 8:12])  # inside the cone
    corners = video[..., 0, 0].squeeze()
    assert sorted(corners[:, 0].tolist()) == [0, 1, 2, 3, 4, 5]  # each clip lends its background once
    assert not torch.equal(corners[:, 0], torch.arange(6.0))
    assert torch.equal(after.streams["flow"], before.streams["flow"])
    assert after.partner is None


@pytest.mark.parametrize("p", [0.0, 0.5, 1.0])
def test_backmix_changes_a_share_of_the_clips(p: float):
    before = levels(2000, 4)
    after = BackMix(angle=10, p=p)(before, generator(1)).streams["video"]
    changed = (after != before.streams["video"]).flatten(1).any(1).float().mean()
    assert float(changed) == pytest.approx(p, abs=0.04)


def test_mixup_mixes_clips_and_targets_alike():
    before = levels()
    after = Mixup(alpha=1.0)(before, generator(2))
    assert after.partner is not None
    assert 0 < after.share < 1
    expected = after.share * torch.arange(6.0) + (1 - after.share) * after.partner
    assert torch.allclose(after.streams["video"][:, 0, 0, 0, 0], expected)
    assert torch.equal(after.y_true, before.y_true)


def test_the_share_of_mixup_has_the_beta_distribution():
    """Its mean is 1/2 and its variance 1 / (4 (2 alpha + 1))."""
    chance, alpha = generator(3), 0.4
    shares = torch.tensor([Mixup(alpha=alpha)(levels(2, 2), chance).share for _ in range(4000)])
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(shares.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)


def test_a_tiny_alpha_mixes_nothing():
    assert {round(Mixup(alpha=1e-6)(levels(2, 2), generator(seed)).share, 3) for seed in range(50)} <= {0.0, 1.0}


def test_speckle_leaves_black_and_flow():
    video = torch.full((2, 1, 3, 8, 8), 100.0)
    video[..., :4] = 0
    after = Speckle(sd=0.2)({"video": video, "flow": video}, generator())
    assert not after["video"][..., :4].any()
    assert float(after["video"][..., 4:].std()) == pytest.approx(20, rel=0.2)
    assert torch.equal(after["flow"], video)
    assert torch.equal(Speckle(sd=0)({"video": video}, generator())["video"], video)


def test_a_run_mixes_and_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    changes = {
        "data.cases": 24,
        "train.epochs": 1,
        "train.keep": "last",
        "report.page": False,
        "augment": [{"use": "backmix", "p": 1.0}, "gain", {"use": "mixup", "alpha": 1.0}],
    }
    run = echokit.run("quickstart", set=changes)
    again = echokit.run(run.path / "lock.yaml")
    assert (again.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()
    assert json.loads((run.path / "metrics.json").read_text())
