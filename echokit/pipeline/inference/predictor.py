"""Predict new videos with the models of a finished run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.data.clips.clip_store import steps_of
from echokit.data.clips.prepare_video import prepare_video
from echokit.data.clips.prepared_clips import one_clip
from echokit.data.sampling.clip_table import ClipTable, sample_windows
from echokit.data.sampling.windows import PADDING, Windows
from echokit.data.video.clip import Frames
from echokit.data.video.read import unlike_echo
from echokit.errors import VideoError
from echokit.evaluation.statistics.conformal import conformal_half_width
from echokit.models.input_shape import InputShape
from echokit.models.norm import read_norms
from echokit.pipeline.build_model import build_model_from_recipe, fold_seed
from echokit.pipeline.fold_files import load_calibration, targets_like
from echokit.pipeline.inference.input_check import REFERENCE, out_of_range_flags, read_reference
from echokit.pipeline.initial_weights import find_initial_weights
from echokit.pipeline.trained_folds import finished_folds, load_trained
from echokit.results.lock import changes_since
from echokit.results.run import Run, check_file
from echokit.results.run_directories import runs_folder
from echokit.system.files import temporary_folder
from echokit.training.calibrators.calibration import Calibration, Uncalibrated, all_or_none
from echokit.training.objectives.objective import HALF, Objective

if TYPE_CHECKING:
    from echokit.models.echo_model import EchoModel

Numbers = npt.NDArray[np.float64]
LEVEL = 0.9
"""Share of new patients that the interval around an estimate covers."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one video.

    Attributes:
        case_id: Name of the case; a pseudonym for DICOM.
        score: Mean over the folds' models and the windows; None if the video cannot be used.
        positive: Whether the score reaches the threshold.
        frames: Frames of a window; fewer than in the recipe if the video is short.
        score_range: Lowest and highest score of a window; None if there is one window.
        prediction: Estimate of the target's column (EF in percent); None if the run has no estimates.
        prediction_range: Lowest and highest estimate of a window; None if there is one window.
        windows: Number of windows averaged.
        notes: Notes about short, corrupt or unmasked videos.
        damaged: Whether frames of the file are missing; the score uses the others.
        problem: Why there is no score.
        interval: 90 % split-conformal interval of the estimate, from errors on validation patients, or None. The epoch
            may have been selected on the same patients, so it covers slightly less.
        flags: How the clip differs from the training clips, and a DICOM's header from that of an echo.
    """

    case_id: str
    score: float | None
    positive: bool | None
    frames: int
    score_range: tuple[float, float] | None = None
    prediction: float | None = None
    prediction_range: tuple[float, float] | None = None
    windows: int = 0
    notes: tuple[str, ...] = ()
    damaged: bool = False
    problem: str | None = None
    interval: tuple[float, float] | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Member:
    """The model of one fold, its window, and its conversion to a score."""

    model: EchoModel
    frames: int
    objective: Objective
    calibration: Calibration | Uncalibrated | None


class Predictor:
    """The models of a finished run. The same file gets the same prediction every time.

    Args:
        run: A run that finished.
        device: ``auto``, ``cpu`` or ``cuda``.

    Attributes:
        probability: Whether the scores are probabilities: by calibration in every fold, or by the objective.
        thresholds: The run's own thresholds, one for each fold; empty if it classified nothing.
        threshold: A video with this score or a higher one is classified as positive: the mean of ``thresholds``,
            because a score is the mean over the folds' models.
        changes: What has changed in the code of its components since the run.
        half_width: Half width of the interval around an estimate; None if the run has none.

    Raises:
        EchokitError: The run is unfinished, a file of it cannot be read or has changed, or its lock, folds and weights
            do not belong together.
    """

    def __init__(self, run: Run, device: str = "auto") -> None:
        from echokit.training.hardware.device import Compute, choose_device, choose_precision

        self.recipe = run.lock.recipe
        self.stamp = run.lock.stamp
        self.pretrained_stamp = run.lock.pretrained_stamp
        self.changes = tuple(changes_since(run.lock))
        self.steps = steps_of(self.recipe.preprocess)
        self.sampler = self.recipe.clip.build()
        self.device = choose_device(device)
        self.compute = Compute(self.device, choose_precision(self.device, self.recipe.train.precision))
        self.members = [self._load(run, fold) for fold in finished_folds(run)]
        self.calibrations = all_or_none([member.calibration for member in self.members])
        self.probability = self.calibrations is not None or all(m.objective.probability for m in self.members)
        self.reference = read_reference(check_file(run, REFERENCE).parent)
        self.half_width = _half_width(run)
        self.thresholds = run.thresholds
        default = HALF if self.calibrations is not None else self.members[0].objective.threshold
        common = run.called_from if self.thresholds else default
        self.threshold = fmean(self.thresholds) if common is None else common

    def _load(self, run: Run, fold: int) -> Member:
        from echokit.training.checkpoints.training_state import load_checkpoint_weights

        trained = load_trained(run, fold)
        facts = trained.facts
        shapes = {name: InputShape(*shape) for name, shape in facts["shapes"].items()}
        norms = read_norms(facts.get("norms"), str(trained.checkpoint))
        objective = self.recipe.objective.build()(targets_like(facts["train_targets"]))
        # The seed of the fold: if only the head was saved, it recreates the frozen backbone.
        seed = fold_seed(self.recipe.seed, facts["fold"])
        model = build_model_from_recipe(self.recipe, shapes, objective.outputs, norms, seed)
        backbone = facts.get("backbone_hash")
        if backbone is not None and self.recipe.weights is not None:
            find_initial_weights(self.recipe.weights, self.recipe.backbone, runs_folder(run)).load_into(model)
        load_checkpoint_weights(model, trained.checkpoint, backbone)
        calibrator = objective.calibrator
        calibration = load_calibration(run.fold(fold), calibrator) if calibrator is not None else None
        return Member(model.to(self.device).eval(), shapes["video"].frames, objective, calibration)

    def __call__(self, sources: Sequence[tuple[str, Path]]) -> Iterator[Prediction]:
        """Score videos one by one; an unusable video costs only its own row.

        Args:
            sources: (case_id, path) each.
        """
        with temporary_folder() as folder:
            for case_id, path in sources:
                try:
                    yield self._predict(case_id, path, folder)
                except VideoError as error:
                    yield Prediction(case_id, None, None, 0, problem=error.message)

    def class_of(self, row: Prediction) -> str:
        """Name the class of a prediction."""
        positive = self.recipe.target.positive
        return positive if row.positive else f"not {positive}"

    def _predict(self, case_id: str, path: Path, folder: Path) -> Prediction:
        from echokit.training.scoring import score

        clip, mask = prepare_video(path, self.steps)
        clips = one_clip(clip, mask, folder)
        windows = self.windows(clips.table())
        scores: list[Numbers] = []
        estimates: list[Numbers] = []
        for index, member in enumerate(self.members):
            result = score(member.model, member.objective, clips, windows, batch_size=1, compute=self.compute)
            calibrated = self.calibrations[index] if self.calibrations is not None else _identity
            scores.append(calibrated(np.append(result.score, result.window_score)))
            if result.prediction is not None and result.window_prediction is not None:
                estimates.append(np.append(result.prediction, result.window_prediction))
        notes = list(clip.notes)
        needed = windows.frames.shape[1]
        used = int((windows.frames != PADDING).sum(axis=1).max())
        if used < needed:
            notes.append(f"short: {used} of {needed} frames, padded")
        mean_score, score_range = _mean_and_range(scores)
        prediction, prediction_range = _mean_and_range(estimates) if estimates else (None, None)
        return Prediction(
            case_id,
            mean_score,
            mean_score >= self.threshold,
            used,
            score_range,
            prediction,
            prediction_range,
            len(windows),
            tuple(notes),
            clip.damaged,
            interval=self._interval(prediction),
            flags=self._flags(path, clip.frames),
        )

    def _flags(self, path: Path, frames: Frames) -> tuple[str, ...]:
        header = unlike_echo(path)
        pictures = out_of_range_flags(frames, self.reference) if self.reference is not None else ()
        return (header, *pictures) if header else pictures

    def windows(self, clips: ClipTable) -> Windows:
        """Cut the windows of some clips, as long as the model's.

        If a window is a whole clip, the run has padded it to the longest clip of its cohort.

        Raises:
            VideoError: A window is longer than that.
        """
        windows = sample_windows(self.sampler, clips, "test", 0, self.recipe.seed)
        short = self.members[0].frames - windows.frames.shape[1]
        if short < 0:
            raise VideoError(
                f"its window has {windows.frames.shape[1]} frames, and the longest clip of the run's cohort "
                f"{self.members[0].frames}",
                hint="cut it, or train with clips of this length",
                code="video.too_long",
            )
        return Windows(windows.case, np.pad(windows.frames, ((0, 0), (0, short)), constant_values=PADDING))

    def _interval(self, prediction: float | None) -> tuple[float, float] | None:
        if prediction is None or self.half_width is None:
            return None
        return prediction - self.half_width, prediction + self.half_width


def _half_width(run: Run) -> float | None:
    """Compute it from the validation patients of a one-fold run, else None."""
    table = run.predictions
    if "prediction" not in table.columns or len(table[["repeat", "fold"]].drop_duplicates()) > 1:
        return None
    patients = table[table["split"] == "val"].groupby("patient_id")[["prediction", "target"]].mean()
    return conformal_half_width(patients["prediction"], patients["target"], LEVEL)


def _identity(score: Numbers) -> Numbers:
    return score


def _mean_and_range(members: Sequence[Numbers]) -> tuple[float, tuple[float, float] | None]:
    """Average over the folds' models; the range is over the windows."""
    mean = np.mean(members, axis=0)
    windows = mean[1:]
    return float(mean[0]), (float(windows.min()), float(windows.max())) if len(windows) > 1 else None
