"""The command ``echokit run``: train and evaluate a model from a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from echokit.cli import options

if TYPE_CHECKING:
    from echokit.pipeline.preflight import CheckedCohort


@click.command("run", short_help="Train and evaluate a model from a recipe.")
@click.argument("recipe")
@options.overrides
@options.device
@options.runs_folder
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    default=None,
    metavar="[RUN]",
    help="Continue the latest or a given run; with --set train.epochs=N, train it longer.",
)
@click.option("--fold", type=int, default=None, help="Train one fold only.")
@click.option(
    "--with-dependencies", is_flag=True, help="First run the recipes that provide its initial weights, if missing."
)
@click.option("--dry-run", is_flag=True, help="Check the recipe, cohort and model, without opening a video.")
@options.plugin_files
def command(
    recipe: str,
    overrides: tuple[str, ...],
    device: str,
    out: Path,
    resume: str | None,
    fold: int | None,
    with_dependencies: bool,
    dry_run: bool,
) -> None:
    """Train and evaluate a model from a RECIPE.

    RECIPE is a path, the name of a shipped recipe, or the lock.yaml of a run to repeat.

    \b
    Examples: echokit run quickstart
              echokit run recipes/ef_112.yaml --set train.epochs=3
              echokit run ef_112 --resume --set train.epochs=12
              echokit run runs/ef_112/latest/lock.yaml
    """
    from echokit.system.malloc import tune_allocator

    tune_allocator()  # before torch is imported
    from echokit.cli.screen import Screen
    from echokit.pipeline.dry_run import dry_run as check_run
    from echokit.pipeline.prerequisites import missing_runs
    from echokit.pipeline.run import run
    from echokit.pipeline.session import RunRequest
    from echokit.recipe.compose import find_recipe
    from echokit.recipe.validate import load_recipe
    from echokit.results.lock import lock_to_repeat
    from echokit.results.run_directories import find_run
    from echokit.system.progress import show_progress_on
    from echokit.training.hardware.distributed import processes

    path = find_recipe(recipe)
    screen = Screen()
    lock = lock_to_repeat(path, overrides)
    loaded = lock.recipe if lock else load_recipe(path, overrides)
    request = RunRequest(
        loaded,
        out,
        device,
        lock=None if overrides else lock,
        resume=None if resume is None else find_run(resume or loaded.name, out),
        only_fold=fold,
        callback=screen,
    )
    with show_progress_on(screen):
        first = missing_runs(loaded, path, out) if with_dependencies else []
        for needed in first:
            screen.show_message(f"{loaded.name} starts from a run of {needed.name}, which runs first")
        if dry_run:
            for line in _plan(check_run(request, weights_follow=bool(first))):
                screen.show_message(f"{path}: {line}")
            return
        with screen.training():
            for needed in first:
                run(RunRequest(needed, out, device, callback=screen))
            done = run(request)
    if not processes().is_main:
        return
    if done.complete:
        from echokit.results.headline import headline
        from echokit.results.wording import count, estimate, number

        if done.lock.stamp:
            click.echo(f"{done.lock.stamp}: synthetic hearts; these results do not apply to patients")
        if done.lock.pretrained_stamp:
            click.echo(done.lock.pretrained_stamp)
        tested = [metric for metric in done.metrics if metric.split == "test" and metric.subgroup is None]
        folds = len({metric.fold for metric in tested if metric.fold is not None})
        together = [metric for metric in tested if metric.fold is None]
        for metric in tested if folds < 2 else headline(tested, "test") or together:
            baseline = "none" if metric.baseline is None else number(metric.baseline)
            click.echo(f"test {estimate(metric)}; baseline {baseline}; n {metric.n}, {metric.events} positive")
        apart = sum(metric.split == "test" and metric.subgroup is not None for metric in done.metrics)
        if apart:
            click.echo(f"{count(apart, 'result')} at other cut-offs or in subgroups: see the summary")
        click.echo(f"summary: {done.path / 'summary.md'}")
        if (done.path / "report.html").is_file():
            click.echo(f"report: {done.path / 'report.html'}")
        if folds > 1:
            click.echo(f"all other metrics, and those of each of the {folds} folds: see the summary and metrics.json")
    else:
        click.echo(f"fold {fold} is done: {done.path.name} of {loaded.name}")
        click.echo(
            f"next: echokit run {recipe} --resume, for the other folds and the evaluation, or --resume --fold N for one"
        )


def _plan(checked: CheckedCohort) -> Iterator[str]:
    """Describe the cohort and its splits before any video is opened.

    Unreadable videos are excluded later.
    """
    from echokit.results.wording import count

    labelled, folds = checked.cohort, checked.folds
    cases, positive, y_true = labelled.cohort.cases, labelled.recipe.target.positive, labelled.targets.y_true
    yield (
        f"valid; {count(len(cases), 'case')} of {count(cases['patient_id'].nunique(), 'patient')} in "
        f"{labelled.cohort.name}, {int(y_true.sum())} {positive}"
    )
    if missing := checked.missing_videos():
        yield f"note: {len(missing):,} of {len(cases):,} videos are missing, for example that of {missing[0]}"
    for fold in folds[:10]:
        parts = [
            f"{name} {len(rows):,} ({int(y_true[rows].sum())} {positive})"
            for name, rows in (("train", fold.train), ("validation", fold.val), ("test", fold.test))
        ]
        yield ", ".join(parts) if len(folds) == 1 else f"fold {fold.number}: {', '.join(parts)}"
    if len(folds) > 10:
        yield f"and {len(folds) - 10} more folds"
