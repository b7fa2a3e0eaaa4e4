"""Augmentations that mix the samples of a batch, and their targets."""

from dataclasses import replace

import pytest
import torch

from echokit import LabelledBatch
from echokit.data.sampling.gain import Gain
from echokit.data.sampling.random_apply import RandomApply
from echokit.training.batches.augment import augment_batch, augment_labelled
from echokit.training.objectives.classification import WeightedCrossEntropy
from echokit.training.step.train_step import mixed_loss
from tests.expect import refused


class Mixup:
    """Mix each sample and its target with another one (Zhang et al., mixup, ICLR 2018)."""

    def __call__(self, batch: LabelledBatch, generator: torch.Generator) -> LabelledBatch:
        order = torch.randperm(len(batch.y_true), generator=generator)
        share = float(torch.rand(1, generator=generator))
        mixed = {name: share * x + (1 - share) * x[order] for name, x in batch.streams.items()}
        return replace(batch, streams=mixed, partner=order, share=share)


class Wrong:
    def __call__(self, batch: LabelledBatch, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return dict(batch.streams)


def a_batch(size: int = 6) -> LabelledBatch:
    video = torch.rand((size, 1, 3, 4, 4), generator=torch.Generator().manual_seed(0)) * 255
    return LabelledBatch({"video": video}, torch.arange(size) % 2, torch.linspace(20, 70, size))


def test_samples_are_augmented_as_without_targets() -> None:
    batch, seeds = a_batch(), tuple(range(6))
    alone = augment_batch(batch.streams, (Gain(), Gain()), seeds, torch.device("cpu"))
    assert torch.equal(augment_labelled(batch, (Gain(), Gain()), seeds, 7).streams["video"], alone["video"])


def test_both_forms_are_applied_in_the_order_of_the_recipe() -> None:
    batch, seeds = a_batch(), tuple(range(6))
    first = augment_labelled(batch, (Gain(), Mixup(), Gain()), seeds, 7)
    again = augment_labelled(batch, (Gain(), Mixup(), Gain()), seeds, 7)
    other = augment_labelled(batch, (Gain(), Mixup(), Gain()), seeds, 8)
    assert torch.equal(first.streams["video"], again.streams["video"])
    assert not torch.equal(first.streams["video"], other.streams["video"])
    order = augment_labelled(batch, (Mixup(), Gain(), Gain()), seeds, 7)
    assert not torch.allclose(first.streams["video"], order.streams["video"])


def test_a_result_of_another_type_is_refused() -> None:
    with refused("plugin.wrong_result", "augment", ("Wrong", "dict")):
        augment_labelled(a_batch(), (Wrong(),), (), 0)


def test_random_apply_refuses_an_augmentation_of_batches() -> None:
    with refused("augment.whole_batch", names=("Mixup",)):
        RandomApply(of=Mixup())


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_loss_of_mixed_targets_is_the_weighted_mean(share: float) -> None:
    objective = WeightedCrossEntropy(
        outputs=2, probability=True, weights=(0.5, 2.0), label_smoothing=0.0, focal=0.0, shift=0.0
    )
    outputs = torch.randn((6, 2), generator=torch.Generator().manual_seed(1))
    batch = replace(a_batch(), partner=torch.arange(5, -1, -1), share=share)
    own = objective.loss(outputs, batch.y_true, batch.value)
    partner = objective.loss(outputs, batch.y_true.flip(0), batch.value.flip(0))
    total, weight = mixed_loss(objective, outputs, batch)
    assert float(total) == pytest.approx(share * float(own[0]) + (1 - share) * float(partner[0]), rel=1e-6)
    assert float(weight) == pytest.approx(share * float(own[1]) + (1 - share) * float(partner[1]), rel=1e-6)


B = a_batch(4)
VIDEO = B.streams["video"]


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        (replace(B, share=2.0), "share is 2.0"),
        (replace(B, share=-1.0), "share is -1.0"),
        (replace(B, share=float("nan")), "share is nan"),
        (replace(B, share=torch.rand(4)), "share is not one number"),  # type: ignore[arg-type]
        (replace(B, partner=torch.tensor([0, 1, 2, 4])), "positions 0 to 4 of 4"),
        (replace(B, partner=torch.tensor([0, 1, 2, -1])), "positions -1 to 2 of 4"),
        (replace(B, partner=torch.arange(3)), "partner is not (4,) int64"),
        (replace(B, partner=torch.rand(4)), "partner is not (4,) int64"),
        (replace(B, y_true=B.y_true[:3]), "y_true is no longer (4,)"),
        (replace(B, value=B.value.double()), "value is no longer (4,) torch.float32"),
        (replace(B, streams={}), "other streams than video"),
        (replace(B, streams={"video": VIDEO[..., :3]}), "is (4, 1, 3, 4, 3)"),
        (replace(B, streams={"video": VIDEO.half()}), "torch.float16"),
        (replace(B, streams={"video": None}), "NoneType"),  # type: ignore[dict-item]
        (None, "NoneType, not a LabelledBatch"),
    ],
)
def test_a_batch_that_cannot_be_trained_on_is_refused(changed: object, names: str) -> None:
    with refused("plugin.wrong_result", "augment", (names,)):
        augment_labelled(B, (lambda batch, generator: changed,), (), 0)


@pytest.mark.parametrize("result", [None, {}, {"video": VIDEO[:1, ..., :2]}, {"video": VIDEO[:1].half()}])
def test_a_sample_of_another_shape_is_refused(result: object) -> None:
    with refused("plugin.wrong_result", "augment"):
        augment_batch(B.streams, (lambda streams, generator: result,), range(4), torch.device("cpu"))
