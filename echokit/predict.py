"""A finished run on new videos."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from echokit.errors import EchokitError, VideoError
from echokit.fold import assemble, targets_like
from echokit.models.norm import Norm
from echokit.models.shape import InputShape
from echokit.prepared import one_clip
from echokit.run_directory import Run
from echokit.store import prepare_video, steps_of

if TYPE_CHECKING:
    from echokit.models.echo_model import EchoModel
    from echokit.objectives.objective import Objective


@dataclass(frozen=True)
class Prediction:
    """What a run says about one video.

    Attributes:
        case_id: Name of the case; a pseudonym for DICOM.
        score: Mean over the folds' models, or None where the video can not be used.
        positive: Whether the score reaches the threshold.
        frames: Frames that were used.
        notes: What was short, corrupt or passed through.
        damaged: Whether the file lacks frames that it should hold; the score rests on the others.
        problem: Why there is no score.
    """

    case_id: str
    score: float | None
    positive: bool | None
    frames: int
    notes: tuple[str, ...] = ()
    damaged: bool = False
    problem: str | None = None


class Predictor:
    """The models of a finished run, ready for new videos. The same file gets the same answer every time.

    Args:
        run: A run that finished.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EchokitError: The run did not finish, or its weights can not be read.
    """

    threshold = 0.5

    def __init__(self, run: Run, device: str = "auto") -> None:
        from echokit.training.device import choose_device, choose_precision

        self.recipe = run.lock.recipe
        self.stamp = run.lock.stamp
        self.steps = steps_of(self.recipe.preprocess)
        self.sampler = self.recipe.clip.build()
        self.device = choose_device(device)
        self.precision = choose_precision(self.device, self.recipe.train.precision)
        folders = sorted((run.path / "checkpoints").glob("fold-*"))
        self.models = [self._load(folder) for folder in folders]
        if not self.models or not run.complete:
            raise EchokitError(
                "the run has not finished",
                hint="echokit run ... --resume goes on with it",
                where=str(run.path),
            )

    def _load(self, folder: Path) -> tuple[EchoModel, Objective]:
        from echokit.models.weights import load_weights
        from echokit.training.checkpoint import MODEL, find_checkpoint

        checkpoint = find_checkpoint(folder, "best")
        if checkpoint is None:
            raise EchokitError("there are no trained weights", where=str(folder))
        tensors, facts = load_weights(checkpoint / MODEL)
        shapes = {name: InputShape(*shape) for name, shape in facts["shapes"].items()}
        norms = {name: Norm(tuple(norm["mean"]), tuple(norm["std"])) for name, norm in facts["norms"].items()}
        objective = self.recipe.objective.build()(targets_like(facts["train_targets"]))
        model = assemble(self.recipe, shapes, objective.outputs, norms, seed=0)
        model.load_state_dict(tensors)
        return model.to(self.device).eval(), objective

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
        windows = self.sampler(clips.lengths, "test", 0, self.recipe.seed)
        scores: list[float] = []
        for model, objective in self.models:
            result: Any = score(
                model,
                objective,
                clips,
                windows,
                batch_size=1,
                device=self.device,
                precision=self.precision,
            )
            scores.append(float(result.score[0]))
        notes = list(clip.notes)
        wanted = windows.frames.shape[1]
        if len(clip) < wanted:
            notes.append(f"short: {len(clip)} of {wanted} frames, padded")
        mean = float(np.mean(scores))
        return Prediction(case_id, mean, mean >= self.threshold, min(len(clip), wanted), tuple(notes), clip.damaged)
