"""A finished run as one differentiable function of a video, for saliency methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.clips.prepare_video import prepare_video
from echokit.data.clips.prepared_clips import one_clip
from echokit.data.sampling.windows import PADDING
from echokit.data.video.clip import Frames
from echokit.pipeline.inference.predictor import Predictor
from echokit.results.run import Run
from echokit.system.files import temporary_folder

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ModelInput:
    """A window of a video as a run's models see it.

    Attributes:
        streams: By name, (1, C, T, H, W) float32 on the device, in real units: grey 0..255, flow in pixels a frame.
        valid: By name, (1, T) bool, False where the clip is too short.
        empty: By name, the mean of the training clips, (1, C, 1, 1, 1): what padding looks like to the models.
        frames: (T, H, W) uint8, the prepared frames of the window, without padding.
        fps: Frames a second, or None if unknown.
        notes: What was noted about the video.
    """

    streams: Mapping[str, Tensor]
    valid: Mapping[str, Tensor]
    empty: Mapping[str, Tensor]
    frames: Frames
    fps: float | None
    notes: tuple[str, ...]


class RunModel:
    """The models of a finished run as one function that gradients can be taken of.

    Args:
        run: A run that finished.
        device: ``auto``, ``cpu`` or ``cuda``.

    Attributes:
        positive: Name of the positive class.
        definition: Definition of the positive class.
        stamp: PHANTOM DATA where the run was trained on synthetic hearts, else None.
        streams: Names of the streams that the models read.

    Raises:
        EchokitError: The run did not finish, or its weights cannot be read.
    """

    def __init__(self, run: Run, device: str = "auto") -> None:
        self._predictor = Predictor(run, device)
        target = self._predictor.recipe.target
        self.positive = target.positive
        self.definition = target.definition
        self.stamp = self._predictor.stamp
        self.streams = self._predictor.members[0].model.streams

    def read(self, video: str | Path) -> ModelInput:
        """Prepare a video as the run does, and take its middle test window.

        Raises:
            VideoError: The video cannot be read, or a step cannot use it.
        """
        from echokit.training.batches.batches import batches

        predictor = self._predictor
        with temporary_folder() as folder:
            clip, mask = prepare_video(Path(video), predictor.steps)
            clips = one_clip(clip, mask, folder)
            windows = predictor.windows(clips.table())
            middle: npt.NDArray[np.int64] = np.array([len(windows) // 2], np.int64)
            (batch,) = batches(clips, windows, middle, 1, predictor.device)
        frames = windows.frames[middle[0]]
        return ModelInput(
            {name: batch.streams[name] for name in self.streams},
            {name: batch.valid[name] for name in self.streams},
            {name: self._mean(name) for name in self.streams},
            clip.frames[frames[frames != PADDING]],
            clip.fps,
            clip.notes,
        )

    def _mean(self, stream: str) -> Tensor:
        import torch

        means = [member.model.get_buffer(f"{stream}_mean") for member in self._predictor.members]
        return torch.stack(means).mean(dim=0).view(1, -1, 1, 1, 1)

    def evidence(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> Tensor:
        """Average over folds the logit of the score.

        The logit, since a probability near 0 or 1 is flat and has no gradient; of a score that is no probability the
        score itself. Computed in float32, differentiable in the streams.

        Args:
            streams: As of `ModelInput`, any batch size B.
            valid: As of `ModelInput`, of the same batch size.

        Returns:
            (B,) float32.
        """
        import torch

        from echokit.training.hardware.conv3d_fix import avoid_conv3d_gradient_bug

        answers = []
        for member in self._predictor.members:
            with avoid_conv3d_gradient_bug(member.model, self._predictor.device):
                score = member.objective.score(member.model(streams, valid))
            answers.append(torch.logit(score, eps=1e-6) if member.objective.probability else score)
        return torch.stack(answers).mean(dim=0)

    def score(self, streams: Mapping[str, Tensor], valid: Mapping[str, Tensor]) -> float:
        """The uncalibrated score of one window, the mean over the folds."""
        import torch

        with torch.inference_mode():
            members = self._predictor.members
            return float(sum(float(m.objective.score(m.model(streams, valid))[0]) for m in members) / len(members))
