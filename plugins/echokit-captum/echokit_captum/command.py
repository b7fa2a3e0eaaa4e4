"""``echokit saliency``."""

from __future__ import annotations

import json
from pathlib import Path

import click

METHODS = ("occlusion", "gradients")


@click.command("saliency", short_help="Show which regions of a video influence the score of a run.")
@click.argument("run")
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the images and videos.")
@click.option(
    "--method", type=click.Choice(["both", *METHODS]), default="both", show_default=True, help="Attribution method."
)
@click.option(
    "--steps", type=click.IntRange(min=2), default=24, show_default=True, help="Steps of integrated gradients."
)
@click.option(
    "--patch",
    type=click.FloatRange(0.02, 1),
    default=0.25,
    show_default=True,
    help="Side of an occluded block, as a share of the image.",
)
@click.option(
    "--frames",
    "span",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Frames in an occluded block.",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to compute on.",
)
def command(run: str, video: Path, out: Path, method: str, steps: int, patch: float, span: int, device: str) -> None:
    """Show which regions of VIDEO influence the score of a finished RUN (a directory or a name).

    Writes an overlay video per method, an image of frames with the maps, and saliency.json. The maps show what the
    model used, not what caused the disease.

    \b
    Example: echokit saliency runs/ef_56/latest video.avi --out saliency
    """
    from echokit import RunModel, load_run, write_video
    from echokit_captum.attribution import gradients, occlusion
    from echokit_captum.picture import overlay, write_sheet

    model = RunModel(load_run(run), device)
    model_input = model.read(video)
    score = model.score(model_input.streams, model_input.valid)
    maps = {}
    if method in ("both", "occlusion"):
        maps["occlusion"] = occlusion(model, model_input, patch=patch, span=span)
    if method in ("both", "gradients"):
        maps["gradients"] = gradients(model, model_input, steps=steps)
    out.mkdir(parents=True, exist_ok=True)
    fps = model_input.fps or 30.0
    for name, map_ in maps.items():
        write_video(out / f"{name}.avi", overlay(model_input.frames, map_.heat, stamp=model.stamp), fps)
    title = f"{model.positive}: score {score:.3f} ({model.definition})"
    write_sheet(out / "saliency.png", model_input.frames, maps, title=title, stamp=model.stamp)
    facts = {
        "data": model.stamp,
        "positive": model.definition,
        "score": score,
        "frames": len(model_input.frames),
        "notes": list(model_input.notes),
        "methods": {name: map_.facts for name, map_ in maps.items()},
    }
    (out / "saliency.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if model.stamp:
        click.echo(f"{model.stamp}: this model was trained on synthetic hearts")
    click.echo(f"score {score:.3f} for {model.definition}, {len(model_input.frames)} frames")
    for name, map_ in maps.items():
        shares = ", ".join(f"{stream} {share:.0%}" for stream, share in map_.facts["share"].items())
        click.echo(f"{name}: {shares}; {map_.facts['words']}")
    click.echo(f"{out / 'saliency.png'}")
