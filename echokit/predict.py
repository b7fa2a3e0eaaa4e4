"""A finished run on new videos."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from echokit.errors import EchokitError, VideoError
from echokit.fold import assemble, fold_seed, targets_like
from echokit.fold_calibration import read_calibration
from echokit.models.norm import Norm
from echokit.models.shape import InputShape
from echokit.objectives.calibration import Calibration, Uncalibrated, all_or_none
from echokit.objectives.objective import HALF, Objective, calibrator_of, threshold_of
from echokit.prepared import one_clip
from echokit.quality import conformal_half_width, flags_of, read_reference
from echokit.run_directory import Run
from echokit.sampling.windows import PADDING, Windows
from echokit.starting_weights import find_weights
from echokit.store import prepare_video, steps_of

if TYPE_CHECKING:
    from echokit.models.echo_model import EchoModel

Numbers = npt.NDArray[np.float64]
LEVEL = 0.9
"""Share of new patients that the interval around an estimate is to hold."""


@dataclass(frozen=True)
class Prediction:
    """What a run says about one video.

    Attributes:
        case_id: Name of the case; a pseudonym for DICOM.
        score: Mean over the folds' models and the windows, or None where the video can not be used.
        positive: Whether the score reaches the threshold.
        frames: Frames of a window; fewer than the recipe's where the video is short.
        score_range: Lowest and highest score of a window, where the video has several windows; else None.
        prediction: Estimated value of the target's column (EF in percent), or None where the run estimates none.
        prediction_range: Lowest and highest estimate of a window, where there are several; else None.
        windows: Windows that were averaged.
        notes: What was short, corrupt or passed through.
        damaged: Whether the file lacks frames that it should hold; the score rests on the others.
        problem: Why there is no score.
        interval: 90 % split-conformal interval of the estimate, from the errors on validation patients, or None. These
            patients may also have chosen the epoch, so that it holds a little less.
        flags: In what the clip is unlike those that the run was trained on.
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
    """One fold's model, the frames of a window that it takes, and what turns its outputs into a score."""

    model: EchoModel
    frames: int
    objective: Objective
    calibration: Calibration | Uncalibrated | None


class Predictor:
    """The models of a finished run, ready for new videos. The same file gets the same answer every time.

    Args:
        run: A run that finished.
        device: ``auto``, ``cpu`` or ``cuda``.

    Attributes:
        probability: Whether the scores are probabilities: calibrated in every fold, or so by themselves.
        thresholds: The ones of the run's own calls, one a fold; empty where it called nothing.
        threshold: Score at and above which a video is called positive: the mean of ``thresholds``, as a score is the
            mean over the folds' models.
        half_width: Of the interval around an estimate, or None where the run can not give one.

    Raises:
        EchokitError: The run did not finish, or its weights or its calibration can not be read.
    """

    def __init__(self, run: Run, device: str = "auto") -> None:
        from echokit.training.device import choose_device, choose_precision

        self.recipe = run.lock.recipe
        self.stamp = run.lock.stamp
        self.pretrained_stamp = run.lock.pretrained_stamp
        self.steps = steps_of(self.recipe.preprocess)
        self.sampler = self.recipe.clip.build()
        self.device = choose_device(device)
        self.precision = choose_precision(self.device, self.recipe.train.precision)
        folders = sorted((run.path / "checkpoints").glob("fold-*"))
        if not folders or not run.complete:
            raise EchokitError(
                "the run has not finished",
                hint="echokit run ... --resume goes on with it",
                where=str(run.path),
            )
        self.members = [self._load(folder) for folder in folders]
        self.calibrations = all_or_none([member.calibration for member in self.members])
        self.probability = self.calibrations is not None or all(m.objective.probability for m in self.members)
        self.reference = read_reference(run.path)
        self.half_width = _half_width(run)
        self.thresholds = run.thresholds
        untold = HALF if self.calibrations is not None else threshold_of(self.members[0].objective)
        one = run.called_from if self.thresholds else untold
        self.threshold = fmean(self.thresholds) if one is None else one

    def _load(self, folder: Path) -> Member:
        from echokit.models.weights import load_weights
        from echokit.training.checkpoint import MODEL, find_checkpoint
        from echokit.training.progress import put_weights

        checkpoint = find_checkpoint(folder, "best")
        if checkpoint is None:
            raise EchokitError("there are no trained weights", where=str(folder))
        _, facts = load_weights(checkpoint / MODEL)
        shapes = {name: InputShape(*shape) for name, shape in facts["shapes"].items()}
        norms = {name: Norm(tuple(norm["mean"]), tuple(norm["std"])) for name, norm in facts["norms"].items()}
        objective = self.recipe.objective.build()(targets_like(facts["train_targets"]))
        # The seed of the fold: where only the head was kept, its frozen backbone is made again as it was.
        seed = fold_seed(self.recipe.seed, facts["fold"])
        model = assemble(self.recipe, shapes, objective.outputs, norms, seed)
        backbone = facts.get("backbone_hash")
        if backbone is not None and self.recipe.weights is not None:
            out = checkpoint.parents[4]  # OUT/NAME/STAMP/checkpoints/fold-0/best
            find_weights(self.recipe.weights, self.recipe.backbone, out).put_into(model)
        put_weights(model, checkpoint, backbone)
        calibration = read_calibration(folder) if calibrator_of(objective) else None
        return Member(model.to(self.device).eval(), shapes["video"].frames, objective, calibration)

    def __call__(self, sources: Sequence[tuple[str, Path]]) -> Iterator[Prediction]:
        """Score videos one by one; one that can not be used costs its own row only.

        Args:
            sources: (case_id, path) each.
        """
        with tempfile.TemporaryDirectory(prefix="echokit-") as folder:
            for case_id, path in sources:
                try:
                    yield self._predict(case_id, path, Path(folder))
                except VideoError as error:
                    yield Prediction(case_id, None, None, 0, problem=error.message)

    def _predict(self, case_id: str, path: Path, folder: Path) -> Prediction:
        from echokit.training.scoring import score

        clip, mask = prepare_video(path, self.steps)
        clips = one_clip(clip, mask, folder)
        windows = self.windows(clips.lengths)
        scores: list[Numbers] = []
        estimates: list[Numbers] = []
        for index, member in enumerate(self.members):
            result = score(
                member.model,
                member.objective,
                clips,
                windows,
                batch_size=1,
                device=self.device,
                precision=self.precision,
            )
            calibrated = self.calibrations[index] if self.calibrations is not None else _as_it_is
            scores.append(calibrated(np.append(result.score, result.window_score)))
            if result.prediction is not None and result.window_prediction is not None:
                estimates.append(np.append(result.prediction, result.window_prediction))
        notes = list(clip.notes)
        wanted = windows.frames.shape[1]
        used = int((windows.frames != PADDING).sum(axis=1).max())
        if used < wanted:
            notes.append(f"short: {used} of {wanted} frames, padded")
        answer, score_range = _mean_and_range(scores)
        prediction, prediction_range = _mean_and_range(estimates) if estimates else (None, None)
        return Prediction(
            case_id,
            answer,
            answer >= self.threshold,
            used,
            score_range,
            prediction,
            prediction_range,
            len(windows),
            tuple(notes),
            clip.damaged,
            interval=self._interval(prediction),
            flags=flags_of(clip.frames, self.reference) if self.reference is not None else (),
        )

    def windows(self, lengths: npt.NDArray[np.int64]) -> Windows:
        """The windows of clips of these lengths, as long as the model's.

        Where windows are whole clips, the run has padded them to the longest clip of its cohort.

        Raises:
            VideoError: They are longer than that.
        """
        windows: Windows = self.sampler(lengths, "test", 0, self.recipe.seed)
        short = self.members[0].frames - windows.frames.shape[1]
        if short < 0:
            raise VideoError(
                f"its window has {windows.frames.shape[1]} frames, and the longest clip of the run's cohort "
                f"{self.members[0].frames}",
                hint="cut it, or train with clips that are as long",
            )
        return Windows(windows.case, np.pad(windows.frames, ((0, 0), (0, short)), constant_values=PADDING))

    def _interval(self, prediction: float | None) -> tuple[float, float] | None:
        if prediction is None or self.half_width is None:
            return None
        return prediction - self.half_width, prediction + self.half_width


def _half_width(run: Run) -> float | None:
    """From the validation patients of a run that estimates a quantity, in one fold."""
    table = run.predictions
    if "prediction" not in table.columns or len(table[["repeat", "fold"]].drop_duplicates()) > 1:
        return None
    here = table[table["split"] == "val"].groupby("patient_id")[["prediction", "target"]].mean()
    return conformal_half_width(here["prediction"], here["target"], LEVEL)


def _as_it_is(score: Numbers) -> Numbers:
    return score


def _mean_and_range(members: Sequence[Numbers]) -> tuple[float, tuple[float, float] | None]:
    """The mean over the folds' models of the first entry, and the range of the others, which are the windows'."""
    mean = np.mean(members, axis=0)
    windows = mean[1:]
    return float(mean[0]), (float(windows.min()), float(windows.max())) if len(windows) > 1 else None
