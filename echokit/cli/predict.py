"""``echokit predict``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from echokit.cli.console import Screen
    from echokit.pipeline.inference.predictor import Prediction, Predictor


@click.command("predict", short_help="Score new videos with a finished run.")
@click.argument("run")
@click.argument("sources", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@click.option("--overlays", type=click.Path(path_type=Path), metavar="DIR", help="Write a video a case to look at.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True, help="Where to compute."
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs are.")
def command(
    run: str,
    sources: tuple[str, ...],
    as_json: bool,
    as_csv: bool,
    overlays: Path | None,
    device: str,
    out: Path,
) -> None:
    """Score SOURCES (AVI, MP4 or DICOM files, or folders of them) with a finished RUN (a directory, or a name).

    DICOM files are named by pseudonyms, in the order given. Of a run in folds, the folds' models are averaged.
    An estimate of EF comes with the interval that holds 90 % of new patients like those of validation (a little fewer
    where these chose the epoch). Flags say in what a video is unlike those that the run was trained on. Files that can
    not be used are listed, and the exit code is then 2.

    \b
    Examples: echokit predict runs/ef_112/latest video.avi study.dcm
              echokit predict ef_112 studies/ --csv --overlays overlays > scores.csv
    """
    from echokit.training.allocator import tune_allocator

    tune_allocator()  # before torch is imported
    import csv
    import json
    from dataclasses import asdict

    from echokit.cli.console import Screen
    from echokit.identity import case_ids, which_is_which
    from echokit.pipeline.inference.predictor import Predictor
    from echokit.run_directory import find_finished
    from echokit.sources import expand
    from echokit.training.device import fix_threads

    files = expand(sources)
    fix_threads()
    predictor = Predictor(find_finished(run, out), device)
    names = case_ids(files)
    rows: list[Prediction] = []
    screen = Screen()
    with screen.task("Scoring videos", len(files)) as advance:
        for row in predictor(list(zip(names, files, strict=True))):
            rows.append(row)
            advance(1)
    positive, column = predictor.recipe.target.positive, predictor.recipe.target.source
    kind = "probability" if predictor.probability else "no probability"
    stamp = f"{predictor.stamp}: this model was trained on synthetic hearts; its scores mean nothing for a patient"
    failed = [row for row in rows if row.problem]
    if as_json:
        content = {
            "data": predictor.stamp,
            "pretrained": predictor.pretrained_stamp,
            "positive": positive,
            "definition": predictor.recipe.target.definition,
            "probability": predictor.probability,
            "threshold": predictor.threshold,
            "thresholds": predictor.thresholds,
            "models": len(predictor.members),
            "predictions": [asdict(row) for row in rows],
        }
        click.echo(json.dumps(content, indent=2))
    elif as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        columns = ["case_id", "y_score", positive, "frames", "notes", "problem", "model_data"]
        columns += ["score_is", "prediction", "windows", "lowest", "highest", "interval_low", "interval_high", "flags"]
        writer.writerow(columns)
        for row in rows:
            called = "" if row.positive is None else int(row.positive)
            score = "" if row.score is None else row.score
            writer.writerow(
                [
                    row.case_id,
                    score,
                    called,
                    row.frames,
                    "; ".join(row.notes),
                    row.problem or "",
                    predictor.stamp or "",
                    kind,
                    "" if row.prediction is None else row.prediction,
                    row.windows,
                    *(row.prediction_range or row.score_range or ("", "")),
                    *(row.interval or ("", "")),
                    "; ".join(row.flags),
                ]
            )
    else:
        if predictor.stamp:
            click.echo(stamp)
        if predictor.pretrained_stamp:
            click.echo(predictor.pretrained_stamp)
        what = "probability of" if predictor.probability else "no probability; higher is more likely"
        if len(predictor.members) > 1:
            what = f"mean over the models of {len(predictor.members)} folds, {what}"
        click.echo(f"score: {what} {predictor.recipe.target.definition}; called {positive} {_cut(predictor)}")
        width = max(len(row.case_id) for row in rows)
        for row in rows:
            if row.score is None:
                click.echo(f"{row.case_id:<{width}}  no score: {row.problem}")
                continue
            called = positive if row.positive else f"not {positive}"
            notes = f"  ({'; '.join(row.notes)})" if row.notes else ""
            notes += f"  ! {'; '.join(row.flags)}" if row.flags else ""
            click.echo(f"{row.case_id:<{width}}  {row.score:.4f}  {called}, {_windows(row, column)}{notes}")
    if overlays is not None:
        _write_overlays(overlays, predictor, list(zip(rows, files, strict=True)), screen)
    told = which_is_which(names, files)
    if told:
        click.echo(told, err=True)
    damaged = [row.case_id for row in rows if row.damaged]
    if damaged:
        click.echo(f"damaged, scored on the frames that are left: {', '.join(damaged)}", err=True)
    if failed:
        click.echo(f"{len(failed)} of {len(rows)} videos could not be scored", err=True)
    if failed or damaged:
        raise click.exceptions.Exit(2)


def _write_overlays(folder: Path, predictor: Predictor, rows: list[tuple[Prediction, Path]], screen: Screen) -> None:
    from echokit.errors import VideoError
    from echokit.overlays import write_overlay

    positive = predictor.recipe.target.positive
    with screen.task("Writing overlays", len(rows)) as advance:
        for row, source in rows:
            advance(1)
            if row.score is None:
                continue
            called = positive if row.positive else f"not {positive}"
            lines = [f"{row.case_id}: {row.score:.3f}, {called}", *(f"! {flag}" for flag in row.flags)]
            try:
                write_overlay(folder / f"{row.case_id}.mp4", source, predictor.steps, lines, predictor.stamp)
            except VideoError as error:
                screen.say(f"no overlay of {row.case_id}: {error.message}")


def _cut(predictor: Predictor) -> str:
    """Where calls are made; of folds that chose different thresholds also how far they are apart."""
    low, high = min(predictor.thresholds, default=None), max(predictor.thresholds, default=None)
    if low == high:
        return f"from {predictor.threshold:g}"
    folds = len(predictor.thresholds)
    return f"from {predictor.threshold:.4g}, the mean of {folds} folds' thresholds ({low:.4g} to {high:.4g})"


def _windows(row: Prediction, column: str) -> str:
    """What was estimated, from how much of the video, and how far its windows disagree."""
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
