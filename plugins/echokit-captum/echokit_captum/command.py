"""``echokit saliency``."""

from __future__ import annotations

import json
from pathlib import Path

import click

METHODS = ("occlusion", "gradients")


@click.command("saliency", short_help="Show where in a video a run finds its evidence.")
@click.argument("run")
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the pictures and videos.")
@click.option("--method", type=click.Choice(["both", *METHODS]), default="both", show_default=True)
@click.option("--steps", type=click.IntRange(min=2), default=24, show_default=True, help="Of integrated gradients.")
@click.option(
    "--patch",
    type=click.FloatRange(0.02, 1),
    default=0.25,
    show_default=True,
    help="Side of what is occluded, as a share of the picture.",
)
@click.option(
    "--frames",
    "span",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="Frames that are occluded at a time.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
def command(run: str, video: Path, out: Path, method: str, steps: int, patch: float, span: int, device: str) -> None:
    """Show where in VIDEO the finished RUN (a directory, or a name) finds its evidence.

    Writes an overlay video for each method, a picture sheet and saliency.json. Both methods tell what the model
    used, not what made the patient ill.

    \b
    Example: echokit saliency runs/ef_56/latest video.avi --out saliency
    """
    from echokit import RunModel, load_run, write_video
    from echokit_captum.attribution import gradients, occlusion
    from echokit_captum.picture import overlay, write_sheet

    model = RunModel(load_run(run), device)
    given = model.read(video)
    score = model.score(given.streams, given.valid)
    found = {}
    if method in ("both", "occlusion"):
        found["occlusion"] = occlusion(model, given, patch=patch, span=span)
    if method in ("both", "gradients"):
        found["gradients"] = gradients(model, given, steps=steps)
    out.mkdir(parents=True, exist_ok=True)
    fps = given.fps or 30.0
    for name, map_ in found.items():
        write_video(out / f"{name}.avi", overlay(given.frames, map_.heat, stamp=model.stamp), fps)
    title = f"{model.positive}: score {score:.3f} ({model.definition})"
    write_sheet(out / "saliency.png", given.frames, found, title=title, stamp=model.stamp)
    facts = {
        "data": model.stamp,
        "positive": model.definition,
        "score": score,
        "frames": len(given.frames),
        "notes": list(given.notes),
        "methods": {name: map_.facts for name, map_ in found.items()},
    }
    (out / "saliency.json").write_text(json.dumps(facts, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    if model.stamp:
        click.echo(f"{model.stamp}: this model was trained on synthetic hearts")
    click.echo(f"score {score:.3f} for {model.definition}, {len(given.frames)} frames")
    for name, map_ in found.items():
        shares = ", ".join(f"{stream} {share:.0%}" for stream, share in map_.facts["share"].items())
        click.echo(f"{name}: {shares}; {map_.facts['words']}")
    click.echo(f"{out / 'saliency.png'}")
