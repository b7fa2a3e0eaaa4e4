"""The Python interface: what the commands do, from a notebook or a script.

Each function is its command. Where a command prints remarks, the function shows them on standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from echokit.results.run import Run
from echokit.results.run_directories import find_finished, find_run
from echokit.system.progress import Silent, display, show_progress_on
from echokit.system.terminal_text import printable

if TYPE_CHECKING:
    import pandas as pd

    from echokit.results.page.run_comparison import Comparison
    from echokit.tools.convert.convert import ConvertedDataset

AnyPath = str | os.PathLike[str]
Sources = AnyPath | Iterable[AnyPath]


def run(
    recipe: str | Path,
    *,
    set: Mapping[str, Any] | None = None,
    out: str | Path = "runs",
    device: str = "auto",
) -> Run:
    """Run a recipe and return the finished run.

    Args:
        recipe: A path of a recipe or of a lock, or the name of a shipped recipe.
        set: Values to change: ``{"train.epochs": 3}``.
        out: Where run directories are made.
        device: ``auto``, ``cpu`` or ``cuda``.

    Raises:
        EchokitError: A mistake that the user can fix.
    """
    from echokit.pipeline.run import run as run_request
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.compose import find_recipe
    from echokit.recipe.validate import load_recipe
    from echokit.results.lock import lock_to_repeat

    path, overrides = find_recipe(str(recipe)), _overrides(set)
    lock = lock_to_repeat(path, overrides)
    loaded = lock.recipe if lock else load_recipe(path, overrides)
    return run_request(RunRequest(loaded, Path(out), device, lock=None if overrides else lock))


def load_run(path: str | Path) -> Run:
    """Open a run.

    Args:
        path: A run directory, or a name under ``runs/`` (its newest run).

    Raises:
        EchokitError: There is no run there.
    """
    return find_run(str(path))


def predict(
    run: Run | AnyPath,
    sources: Sources,
    *,
    overlays: AnyPath | None = None,
    device: str = "auto",
    out: AnyPath = "runs",
) -> pd.DataFrame:
    """Score new videos with a finished run, as ``echokit predict`` does.

    A video that cannot be scored has a row with its ``problem`` and no score.

    Args:
        run: The run, its directory, or the name of a run.
        sources: AVI, MP4 or DICOM files, or folders of them; one or several.
        overlays: Folder for one annotated video per case.
        device: ``auto``, ``cpu`` or ``cuda``.
        out: Folder of runs, for a name.

    Returns:
        One row a video, with the columns of ``echokit predict --csv``: ``case_id``, ``y_score``, the class (1 or 0)
        under the name of the positive class, ``model_data`` (PHANTOM DATA if the model learned from it), ``prediction``
        and its 90 % interval if the run estimates EF, ``flags``, and others.

    Raises:
        EchokitError: The run is unfinished or damaged, or a source is missing or has no video.
    """
    from echokit.pipeline.inference.score_videos import score_videos

    with _messages():
        scores = score_videos(_finished(run, out), _several(sources), device)
        if overlays is not None:
            from echokit.tools.overlay_videos import write_overlays

            write_overlays(Path(overlays), scores)
        _show(scores.notes)
    return scores.table


def mask(
    sources: Sources,
    *,
    out: AnyPath,
    method: str = "motion_mask",
    set: Mapping[str, Any] | None = None,
    keep_unmasked: bool = False,
) -> pd.DataFrame:
    """Mask videos and write an overlay image of each, as ``echokit mask`` does.

    The images also show what the mask removes, including burnt-in names: store them as securely as the videos.

    Args:
        sources: AVI, MP4 or DICOM files, or folders of them; one or several.
        out: Folder for the masked videos and images.
        method: Preprocessor that computes the mask.
        set: Parameters of the method: ``{"threshold": 3.5}``.
        keep_unmasked: Write also videos of which the mask removes nothing, names in them included.

    Returns:
        One row a video: ``case_id``, ``kept`` (share of the lit pixels that is kept), ``unmasked``, ``damaged``,
        ``notes``, ``problem``, and ``video``, the masked video.

    Raises:
        EchokitError: A source is missing or has no video, the method is no mask, or ``out`` cannot be written.
    """
    from echokit.tools.mask_videos import mask_sources, masking_step

    step = masking_step(method, _overrides(set))
    with _messages():
        videos = mask_sources(_several(sources), step, Path(out), keep_unmasked=keep_unmasked)
        _show(videos.notes)
    return videos.table


def evaluate(
    predictions: AnyPath,
    *,
    positive: str | None = None,
    negative: Sequence[str] = (),
    columns: Mapping[str, str] | None = None,
    threshold: float | None = None,
    truth: AnyPath | None = None,
    below: float = 50.0,
    metrics: Sequence[str] = (),
    by: Sequence[str] = (),
    seed: int = 0,
) -> pd.DataFrame:
    """Evaluate predictions of any model, as ``echokit evaluate`` does.

    How the file was read is shown on standard error: the columns, the classes, the threshold.

    Args:
        predictions: CSV of true classes and scores, or the test_predictions.csv of echonet/dynamic.
        positive: Value of the positive class.
        negative: Values of the negative class; by default all others.
        columns: echokit's column to the file's, if they are not found: ``{"y_true": "died"}``; also ``y_score`` and
            ``patient_id``.
        threshold: Scores from this value up are classified as positive.
        truth: FileList.csv of the dataset, for predictions of echonet/dynamic.
        below: EF (%) below which a heart is positive, with ``truth``.
        metrics: Evaluators to compute; by default all that fit.
        by: Columns that define subgroups.
        seed: Random seed of the bootstrap.

    Returns:
        One row a metric, with the fields of ``metrics.json``: ``metric``, ``value``, ``low`` and ``high``, ``n``,
        ``events``, ``baseline``, its ``definition``, and others. An undefined value is missing, not zero.

    Raises:
        EchokitError: The file cannot be used, or an argument does not fit it.
    """
    from echokit.evaluation.files.evaluate_file import evaluate_file

    evaluated = evaluate_file(
        Path(predictions),
        positive=positive,
        negative=negative,
        columns=columns,
        threshold=threshold,
        truth=None if truth is None else Path(truth),
        below=below,
        metrics=metrics,
        by=by,
        seed=seed,
    )
    with _messages():
        _show(evaluated.found.notes)
    return evaluated.table


def compare(*runs: Run | AnyPath, to: AnyPath | None = None, out: AnyPath = "runs") -> Comparison:
    """Compare finished runs with the first one, as ``echokit compare`` does.

    Differences are paired over the same test patients. Cross-validated runs are shown side by side but not tested.

    Args:
        runs: Two or more: a run, its directory, or the name of a run.
        to: File for the HTML page; by default ``OUT/compare/NAMES.html``.
        out: Folder of runs.

    Returns:
        A comparison with the data frames ``table`` (metrics side by side), ``differences`` (paired, with intervals and
        p) and ``recipe_differences``, and the path of its ``page``.

    Raises:
        EchokitError: There are fewer than two runs, one is unfinished, or the page cannot be written.
    """
    from echokit.results.page.run_comparison import compare_runs
    from echokit.results.page.write_page import write_comparison

    with _messages():
        comparison = compare_runs([_finished(one, out) for one in runs])
    names = "-".join(name.replace(" ", "-") for name in comparison.names)
    page = Path(to) if to is not None else Path(out) / "compare" / f"{names}.html"
    return replace(comparison, page=write_comparison(comparison, page))


def convert(
    sources: Sources,
    *,
    to: AnyPath,
    table: AnyPath | None = None,
    target: str | None = None,
    columns: Sequence[str] = (),
    size: int = 112,
) -> ConvertedDataset:
    """Convert studies into a dataset, as ``echokit data convert`` does.

    Args:
        sources: DICOM, AVI or MP4 files, or folders of them; one or several.
        to: Folder for the dataset; must not exist, or be empty.
        table: Table of patients (``patient_id``) or files (``source``) with outcomes, EF, or any other column.
        target: Column of the table to predict; by default ``target``, or the only one.
        columns: Columns of the table to keep although they may identify a patient.
        size: Height and width of the videos, in pixels.

    Returns:
        The dataset, with the data frames ``files`` (what became a clip, and why not), ``clips`` and ``cohort``.

    Raises:
        EchokitError: ``to`` is not empty, the table cannot be used, or nothing is left to convert.
    """
    from echokit.tools.convert.convert import convert_studies

    with _messages():
        place = None if table is None else Path(table)
        dataset = convert_studies(_several(sources), Path(to), table=place, target=target, columns=columns, size=size)
        _show(dataset.remarks)
    return dataset


class _Messages(Silent):
    """Shows messages on standard error, and no progress."""

    def show_message(self, text: str) -> None:
        print(printable(text), file=sys.stderr)

    def show_files(self, files: Iterable[tuple[str, Path]]) -> None:
        if sys.stderr.isatty():
            for case_id, path in files:
                self.show_message(f"{case_id} is {path}")


def _messages() -> AbstractContextManager[None]:
    """Show messages, unless the caller has set a display."""
    return show_progress_on(_Messages()) if type(display()) is Silent else nullcontext()


def _show(notes: Iterable[str]) -> None:
    for note in notes:
        display().show_message(note)


def _several(sources: Sources) -> list[str]:
    if isinstance(sources, str | os.PathLike):
        return [str(sources)]
    return [str(source) for source in sources]


def _overrides(values: Mapping[str, Any] | None) -> tuple[str, ...]:
    import json

    return tuple(f"{key}={json.dumps(value)}" for key, value in (values or {}).items())


def _finished(run: Run | AnyPath, out: AnyPath) -> Run:
    return run if isinstance(run, Run) else find_finished(os.fspath(run), Path(out))
