"""Augmentations keep shapes, move flow with the picture, and follow from their generator alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from echokit.data.preprocess.flow_estimation import flow_fields
from echokit.data.sampling.gain import Gain
from echokit.data.sampling.pad_and_crop import PadAndCrop
from echokit.data.sampling.random_apply import RandomApply
from echokit.data.sampling.rotate import Rotate
from echokit.plugins.discovery import installed

Streams = dict[str, torch.Tensor]
ALL: list[Callable[[Streams, torch.Generator], Streams]] = [
    PadAndCrop(share=0.2), Rotate(degrees=25), Gain(level=0.2),
    RandomApply(of=Rotate(degrees=25), p=0.9),
]  # fmt: skip


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def streams(batch: int = 2, frames: int = 5, height: int = 24, width: int = 30) -> Streams:
    chance = generator(9)
    return {
        "video": (torch.rand(batch, 1, frames, height, width, generator=chance) * 255).round(),
        "flow": torch.randn(batch, 2, frames - 1, height, width, generator=chance),
    }


def test_every_registered_augmentation_is_tested():
    registered = {c.load() for c in installed().registry.components(["augmentation"]) if c.plugin == "echokit"}
    assert {type(one) for one in ALL} == registered


@pytest.mark.parametrize("augment", ALL, ids=lambda a: type(a).__name__)
def test_the_generator_alone_decides(augment):
    before = streams()
    first, again, other = augment(before, generator(1)), augment(before, generator(1)), augment(before, generator(2))
    assert torch.equal(first["video"], again["video"])
    assert torch.equal(first["flow"], again["flow"])
    assert not torch.equal(first["video"], other["video"])
    assert first["video"].shape == before["video"].shape
    assert first["video"].min() >= 0
    assert first["video"].max() <= 255
    assert torch.equal(before["video"], streams()["video"])


def test_grey_levels_change_and_black_and_flow_do_not():
    before = streams()
    before["video"][..., :8] = 0
    after = Gain()(before, generator())
    assert not after["video"][..., :8].any()
    assert (after["video"] != before["video"]).float().mean() > 0.5
    assert torch.equal(after["flow"], before["flow"])


def test_augmentations_of_nothing_change_nothing():
    before = streams()
    for augment in (Gain(level=0, contrast=0), PadAndCrop(share=0), Rotate(degrees=0)):
        torch.testing.assert_close(augment(before, generator())["video"], before["video"], atol=1e-3, rtol=0)


def test_crop_moves_frames_and_streams_alike_by_whole_pixels():
    count = 40
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    place = (y * 30 + x + 1).expand(count, 1, 3, 20, 30)
    after = PadAndCrop(share=0.2)({"video": place, "flow": place.repeat(1, 2, 1, 1, 1)[:, :, :2]}, generator())
    shifts = set()
    for sample in range(count):
        moved = after["video"][sample, 0, 0]
        row, column = (moved > 0).nonzero()[0].tolist()
        value = int(moved[row, column]) - 1
        shifts.add((value // 30 - row, value % 30 - column))
        assert torch.equal(after["video"][sample, 0, 2], moved)
        assert torch.equal(after["flow"][sample, 1, 1], moved)
    assert {abs(down) for down, _ in shifts} == set(range(5))
    assert {right for _, right in shifts} >= set(range(-5, 6))


def test_the_flow_of_a_turned_video_is_the_turned_flow():
    import cv2

    noise = np.random.default_rng(0).integers(0, 256, (160, 160)).astype(np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 0, 255, cv2.NORM_MINMAX)
    frames = np.stack([texture[20 - t : 140 - t, 30 - 2 * t : 150 - 2 * t] for t in range(3)])
    fields = np.stack(list(flow_fields(frames, "farneback"))).transpose(3, 0, 1, 2)
    before = {"video": torch.from_numpy(frames)[None, None].float(), "flow": torch.from_numpy(fields)[None]}
    after = Rotate(degrees=90)(before, generator(3))
    turned = after["video"][0, 0].round().clamp(0, 255).numpy().astype(np.uint8)
    measured = np.stack(list(flow_fields(turned, "farneback"))).transpose(3, 0, 1, 2)
    middle = np.s_[:, :, 40:80, 40:80]
    expected = after["flow"][0].numpy()[middle].mean((1, 2, 3))
    assert np.hypot(*expected) == pytest.approx(np.hypot(2, 1), rel=0.1)
    assert np.abs(expected - fields[middle].mean((1, 2, 3))).max() > 0.5, "this seed hardly turns"
    np.testing.assert_allclose(measured[middle].mean((1, 2, 3)), expected, atol=0.15)
