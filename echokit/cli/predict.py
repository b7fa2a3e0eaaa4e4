"""The command ``echokit predict``: score new videos with a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from echokit.cli import options

if TYPE_CHECKING:
    from echokit.pipeline.inference.predictor import Prediction, Predictor
    from echokit.pipeline.inference.score_videos import Scores


@click.command("predict", short_help="Score new videos with a finished run.")
@click.argument("run")
@click.argument("sources", nargs=-1, required=True)
@options.as_json
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option(
    "--overlays", type=click.Path(path_type=Path), metavar="DIR", help="Folder for one annotated video per case."
)
@options.device
@options.runs_folder
@options.plugin_files
def command(
    run: str,
    sources: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    overlays: Path | None,
    device: str,
    out: Path,
) -> None:
    """Score SOURCES with a finished RUN.

    SOURCES are AVI, MP4 or DICOM files, or folders of them; RUN is a directory or a name.

    DICOM files are given pseudonyms, in the order of the sources. For a cross-validated run the models of all folds
    are averaged. An estimated EF has an interval that contains 90 % of new patients like those of the validation set
    (slightly fewer if the validation set also selected the epoch). Flags name properties of a video that differ from
    the training videos. Exit code 2: some files could not be used, or are damaged; they are listed.

    \b
    Examples: echokit predict runs/ef_112/latest video.avi study.dcm
              echokit predict ef_112 studies/ --csv --overlays overlays > scores.csv
    """
    from echokit.system.malloc import tune_allocator

    tune_allocator()  # before torch is imported
    from echokit.cli.screen import Screen
    from echokit.pipeline.inference.score_videos import score_videos
    from echokit.plugins.foreign_code import output_to_stderr
    from echokit.results.run_directories import find_finished
    from echokit.system.csv_cells import csv_text
    from echokit.system.progress import show_progress_on

    screen = Screen()
    with output_to_stderr(), show_progress_on(screen):
        scores = score_videos(find_finished(run, out), sources, device)
    if as_json:
        _print_json(scores)
    elif as_csv:
        click.echo(csv_text(scores.table), nl=False)
    else:
        _print_table(scores)
    if overlays is not None:
        from echokit.tools.overlay_videos import write_overlays

        with show_progress_on(screen):
            write_overlays(overlays, scores)
    pairs = zip(scores.rows, scores.files, strict=True)
    screen.show_files((row.case_id, file) for row, file in pairs if row.problem or row.damaged)
    for note in scores.notes:
        click.echo(note, err=True)
    if not scores.whole:
        raise click.exceptions.Exit(2)


def _print_json(scores: Scores) -> None:
    import json
    from dataclasses import asdict

    predictor = scores.predictor
    content = {
        "data": predictor.stamp,
        "pretrained": predictor.pretrained_stamp,
        "positive": predictor.recipe.target.positive,
        "definition": predictor.recipe.target.definition,
        "probability": predictor.probability,
        "threshold": predictor.threshold,
        "thresholds": predictor.thresholds,
        "models": len(predictor.members),
        "predictions": [asdict(row) for row in scores.rows],
    }
    click.echo(json.dumps(content, indent=2))


def _print_table(scores: Scores) -> None:
    predictor, rows = scores.predictor, scores.rows
    target = predictor.recipe.target
    if predictor.stamp:
        click.echo(
            f"{predictor.stamp}: this model was trained on synthetic hearts; its scores do not apply to patients"
        )
    if predictor.pretrained_stamp:
        click.echo(predictor.pretrained_stamp)
    score = "probability of" if predictor.probability else "not a probability; higher means more likely"
    if len(predictor.members) > 1:
        score = f"mean over the models of {len(predictor.members)} folds, {score}"
    click.echo(f"score: {score} {target.definition}; classified as {target.positive} {_threshold(predictor)}")
    width = max(len(row.case_id) for row in rows)
    for row in rows:
        if row.score is None:
            click.echo(f"{row.case_id:<{width}}  no score: {row.problem}")
            continue
        notes = f"  ({'; '.join(row.notes)})" if row.notes else ""
        notes += f"  ! {'; '.join(row.flags)}" if row.flags else ""
        details = f"{predictor.class_of(row)}, {_estimate_and_windows(row, target.source)}{notes}"
        click.echo(f"{row.case_id:<{width}}  {row.score:.4f}  {details}")


def _threshold(predictor: Predictor) -> str:
    """Describe the threshold, and its range if the folds chose different ones."""
    low, high = min(predictor.thresholds, default=None), max(predictor.thresholds, default=None)
    if low == high:
        return f"from {predictor.threshold:g}"
    folds = len(predictor.thresholds)
    return f"from {predictor.threshold:.4g}, the mean of {folds} folds' thresholds ({low:.4g} to {high:.4g})"


def _estimate_and_windows(row: Prediction, column: str) -> str:
    """Describe the estimate, the frames it is based on, and the range over windows."""
    estimate = "" if row.prediction is None else f"{column} {row.prediction:.1f}"
    if row.interval is not None:
        estimate += f" (90 % interval {row.interval[0]:.1f} to {row.interval[1]:.1f})"
    estimate += ", " if estimate else ""
    if row.windows <= 1:
        return f"{estimate}{row.frames} frames"
    if row.prediction_range is not None:
        low, high = (f"{value:.1f}" for value in row.prediction_range)
    else:
        assert row.score_range is not None
        low, high = (f"{value:.4f}" for value in row.score_range)
    return f"{estimate}{low} to {high} over {row.windows} windows of {row.frames} frames"
