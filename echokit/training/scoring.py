"""Score cases: from windows to one score for each case."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.sampling.windows import Windows
from echokit.errors import DataError
from echokit.training.batches.batches import batches
from echokit.training.hardware.device import Compute, reproducible
from echokit.training.hardware.distributed import processes
from echokit.training.model_parts import evaluating
from echokit.training.objectives.objective import Objective

Integers = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of cases, each the mean over the windows of the case.

    Attributes:
        case: (n,) int64 positions in the cohort, ascending.
        score: (n,) float64; higher means more likely positive.
        prediction: (n,) float64 in the unit of the objective's value, or None if there are no estimates.
        window: (m,) int64 index into ``case`` of each window, in the order of the windows.
        window_score: (m,) float64 score of each window.
        window_prediction: (m,) float64 prediction of each window, or None.
    """

    case: Integers
    score: Numbers
    prediction: Numbers | None
    window: Integers
    window_score: Numbers
    window_prediction: Numbers | None


def score(
    model: nn.Module,
    objective: Objective,
    clips: PreparedClips,
    windows: Windows,
    *,
    batch_size: int,
    compute: Compute,
) -> Scores:
    """Score cases in evaluation mode: the same clip gets the same score in every call.

    Each of several processes scores a share, and all get all scores.

    Args:
        model: On the device; its modes are restored.
        objective: Computes scores from outputs.
        clips: Clips of the whole cohort.
        windows: The windows; those of a case are averaged.
        batch_size: Windows at a time.
        compute: Device and number format.

    Raises:
        DataError: A score is not a finite number.
    """
    distributed = processes()
    mine = np.array_split(np.arange(len(windows)), distributed.count)[distributed.index]
    share = Windows(windows.case[mine], windows.frames[mine])
    chunks = model_outputs(model, clips, share, batch_size=batch_size, compute=compute)
    outputs = distributed.gather(torch.cat([torch.empty(0, objective.outputs), *chunks]))
    return scores_of(objective, windows, torch.cat(outputs))


def scores_of(objective: Objective, windows: Windows, outputs: Tensor) -> Scores:
    """Compute scores from the outputs (n, outputs) of windows."""
    return scores_of_cases(objective, windows.case, outputs)


def scores_of_cases(objective: Objective, cases: Integers, outputs: Tensor) -> Scores:
    """Compute scores from the outputs (n, outputs) of samples of the cases (n,).

    Raises:
        DataError: A score is not a finite number.
    """
    case, window = np.unique(cases, return_inverse=True)
    estimates = objective.predict(outputs)
    score = _numbers(objective.score(outputs))
    prediction = None if estimates is None else _numbers(estimates)
    scores = Scores(
        case,
        _mean(score, window, len(case)),
        None if prediction is None else _mean(prediction, window, len(case)),
        window,
        score,
        prediction,
    )
    if not np.isfinite(scores.score).all():
        bad = case[~np.isfinite(scores.score)]
        raise DataError(
            f"the model's score is not a finite number for {len(bad)} cases",
            hint=f"the first is case {bad[0]} of the cohort, counted from 0",
            code="score.not_finite",
        )
    return scores


def model_outputs(
    model: nn.Module,
    clips: PreparedClips,
    windows: Windows,
    *,
    batch_size: int,
    compute: Compute,
) -> Iterator[Tensor]:
    """Yield outputs (B, outputs) float32 on the CPU, in the order of the windows."""
    with evaluating(model):
        for batch in batches(clips, windows, np.arange(len(windows)), batch_size, compute.device):
            with (
                reproducible(compute.device, True),
                torch.inference_mode(),
                compute.precision.context(compute.device),
            ):
                outputs = model(batch.streams, batch.valid)
            yield outputs.float().cpu()


def auroc(y_true: Integers, score: Numbers) -> float | None:
    """Compute the area under the ROC curve; None if there is one class only."""
    positive, negative = score[y_true == 1], np.sort(score[y_true == 0])
    if not len(positive) or not len(negative):
        return None
    below = np.searchsorted(negative, positive, "left") + np.searchsorted(negative, positive, "right")
    return float(below.sum() / (2 * len(positive) * len(negative)))


def _numbers(values: Tensor) -> Numbers:
    return values.detach().double().cpu().numpy()


def _mean(values: Numbers, window: Integers, cases: int) -> Numbers:
    sums = np.bincount(window, values, cases)
    return sums / np.maximum(np.bincount(window, minlength=cases), 1)
