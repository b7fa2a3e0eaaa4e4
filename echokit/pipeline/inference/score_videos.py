"""Score the videos of some files and folders with a finished run, and collect a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.data.cohort.pseudonyms import case_ids, file_notes
from echokit.data.video.find import expand, split_videos
from echokit.pipeline.inference.predictor import Prediction, Predictor
from echokit.results.run import Run
from echokit.system.progress import display

if TYPE_CHECKING:
    import pandas as pd

_POSITIVE = "\0positive"  # it gets the name of the class, which may be that of another column
_NUMBERS = ("y_score", "prediction", "lowest", "highest", "interval_low", "interval_high")


@dataclass(frozen=True)
class Scores:
    """The predictions for some videos.

    Attributes:
        predictor: What scored them.
        files: The videos.
        rows: The prediction for each.
        others: How many files are not videos.
    """

    predictor: Predictor
    files: tuple[Path, ...]
    rows: tuple[Prediction, ...]
    others: int

    @property
    def whole(self) -> bool:
        """Whether every video has a score, from all its frames."""
        return not any(row.problem or row.damaged for row in self.rows)

    @property
    def table(self) -> pd.DataFrame:
        """One row a video, as ``echokit predict --csv`` prints it."""
        import pandas as pd

        kinds = {_POSITIVE: "Int64", "frames": "int64", "windows": "int64", **dict.fromkeys(_NUMBERS, "float64")}
        # A text that is missing stays None.
        table = pd.DataFrame([_cells(row, self.predictor) for row in self.rows], dtype=object).astype(kinds)
        return table.rename(columns={_POSITIVE: self.predictor.recipe.target.positive})

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known about the files."""
        notes = file_notes([row.case_id for row in self.rows], self.files, self.others)
        if damaged := [row.case_id for row in self.rows if row.damaged]:
            notes.append(f"damaged, scored on their readable frames: {', '.join(damaged)}")
        if failed := [row for row in self.rows if row.problem]:
            notes.append(f"{len(failed)} of {len(self.rows)} videos could not be scored")
        return tuple(notes)


def score_videos(run: Run, sources: Sequence[str], device: str = "auto") -> Scores:
    """Score all videos of some files and folders; the display shows progress.

    Args:
        run: A run that finished.
        sources: AVI, MP4 and DICOM files, and folders of them.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EchokitError: The run cannot be used, or a source is missing or has no video.
    """
    from echokit.training.hardware.device import fix_threads

    files, others = split_videos(expand(sources))
    fix_threads()
    predictor = Predictor(run, device)
    for change in predictor.changes:
        display().show_message(f"note: {change}: scores may differ from those of the run")
    names = case_ids(files)
    rows: list[Prediction] = []
    with display().task("Scoring videos", len(files)) as advance:
        for row in predictor(list(zip(names, files, strict=True))):
            rows.append(row)
            advance(1)
    pairs = zip(rows, files, strict=True)
    display().show_files((row.case_id, path) for row, path in pairs if row.problem or row.damaged)
    return Scores(predictor, tuple(files), tuple(rows), others)


def _cells(row: Prediction, predictor: Predictor) -> dict[str, Any]:
    low, high = row.prediction_range or row.score_range or (None, None)
    interval_low, interval_high = row.interval or (None, None)
    return {
        "case_id": row.case_id,
        "y_score": row.score,
        _POSITIVE: None if row.positive is None else int(row.positive),
        "frames": row.frames,
        "notes": "; ".join(row.notes),
        "problem": row.problem,
        "model_data": predictor.stamp,
        "score_is": "probability" if predictor.probability else "no probability",
        "prediction": row.prediction,
        "windows": row.windows,
        "lowest": low,
        "highest": high,
        "interval_low": interval_low,
        "interval_high": interval_high,
        "flags": "; ".join(row.flags),
    }
