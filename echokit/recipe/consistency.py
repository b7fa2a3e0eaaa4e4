"""Checks across the sections of a recipe whose sections are valid by themselves."""

from __future__ import annotations

from collections.abc import Iterator

from echokit.data.sampling.labelled_batch import takes_batch
from echokit.plugins.component import BUILT_IN
from echokit.plugins.component_config import ComponentConfig
from echokit.plugins.parameters import Problem
from echokit.recipe.recipe import Recipe
from echokit.recipe.search import searched_hyperparameters


def inconsistencies(recipe: Recipe) -> Iterator[Problem]:
    """List contradictions between streams, model, weights, splits and metrics."""
    yield from _streams(recipe)
    yield from _weights_tag(recipe)
    yield from _evaluators(recipe)
    yield from _validation(recipe)
    yield from _epoch_metrics(recipe)
    yield from _augmentations(recipe)
    yield from _callbacks(recipe)


def lacks_validation(resample: ComponentConfig) -> bool:
    """Whether no fold of a resampler has a validation set, whatever the cohort."""
    if getattr(resample.component.load(), "validation", True) is False:
        return True
    return "val" in type(resample.values).model_fields and resample.params["val"] == 0


def padded_windows(recipe: Recipe) -> Iterator[Problem]:
    """Report windows longer than every trimmed clip.

    They would be padded in all clips.
    """
    frames = getattr(recipe.clip.build(), "frames", None)
    left: int | None = None
    for use in recipe.preprocess:
        if use.component.is_built_in("trim"):
            left = use.params["frames"] if left is None else min(left, use.params["frames"])
        elif use.component.is_built_in("resample") or use.component.plugin != BUILT_IN:
            left = None  # it may add frames
    span = 0 if frames is None else (frames - 1) * recipe.clip.params.get("period", 1) + 1
    if left is not None and span > left:
        yield Problem(
            ("clip",),
            f"a window spans {span} frames, and trim leaves {left}: every clip would be padded",
            f"trim to {span} frames or more, or use shorter windows",
            code="clip.window_too_long",
        )


def _streams(recipe: Recipe) -> Iterator[Problem]:
    """Check that streams come last, and that the model gets those it needs."""
    derived_by: str | None = None
    streams = {"video"}
    for index, use in enumerate(recipe.preprocess):
        stream = getattr(use.component.load(), "derives", None)
        if stream is not None:
            derived_by = use.name
            streams.add(stream)
        elif derived_by is not None:
            yield Problem(
                ("preprocess", index),
                f"{use.name!r} changes the frames after {derived_by!r} has derived a stream from them",
                f"put {use.name!r} before {derived_by!r}",
                code="preprocess.order",
            )
    fps = recipe.clip.params.get("fps")
    rates = [use.params["fps"] for use in recipe.preprocess if use.component.is_built_in("resample")]
    if fps is not None and (not rates or rates[-1] != fps):
        actual = f"resample gives {rates[-1]:g}" if rates else "each clip keeps its own rate"
        yield Problem(
            ("clip", "fps"),
            f"a window in seconds needs clips of {fps:g} frames per second; {actual}",
            f"put {{use: resample, fps: {fps:g}}} into preprocess",
            code="clip.frame_rate",
        )
    period = recipe.clip.params.get("period", 1)
    if "flow" in streams and period != 1:
        yield Problem(
            ("clip", "period"),
            f"with flow the period is 1, not {period}",
            "to skip frames put 'resample' before 'optical_flow'",
            code="clip.period_with_flow",
        )
    for stream in getattr(recipe.fusion.component.load(), "streams", ()):
        if stream not in streams:
            yield Problem(
                ("model",),
                f"{recipe.fusion.name!r} needs the stream {stream!r}, which no preprocessor derives",
                "add 'optical_flow' at the end of preprocess" if stream == "flow" else None,
                code="model.missing_stream",
            )


def _weights_tag(recipe: Recipe) -> Iterator[Problem]:
    """Check that weights are a run, a file or a tag of the backbone."""
    weights = recipe.weights
    if weights is None or weights.kind != "tag":
        return
    if not hasattr(recipe.backbone.component.load(), "pretrained"):
        yield Problem(
            ("model", "weights"),
            f"{weights.use!r} is no run and no file, and no library has weights of {recipe.backbone.name!r}",
            "name a run (run:NAME) or a file (PATH.safetensors)",
            code="weights.unknown",
        )


def _validation(recipe: Recipe) -> Iterator[Problem]:
    """Check that what is chosen on a validation set has one."""
    if not lacks_validation(recipe.resample):
        return
    train, name = recipe.train, recipe.resample.name
    hint = (
        "or give the resampler a validation set"
        if "val" in type(recipe.resample.values).model_fields
        else "or use another resampler"
    )
    if train.keep != "last":
        yield Problem(
            ("train", "keep"),
            f"{train.keep} selects the epoch on the validation set, and {name!r} makes none",
            f"use keep: last, {hint}",
            code="train.no_validation",
        )
    if train.early_stop is not None:
        yield Problem(
            ("train", "early_stop"),
            f"early stopping needs a validation set, and {name!r} makes none",
            f"remove early_stop, {hint}",
            code="train.no_validation",
        )


def _augmentations(recipe: Recipe) -> Iterator[Problem]:
    """Check that no batch is mixed where features are computed sample by sample, once."""
    frozen = [phase.name for phase in recipe.train.phases or () if phase.train == ("head",)]
    for index, use in enumerate(recipe.augment):
        if frozen and takes_batch(use.build()):
            yield Problem(
                ("augment", index),
                f"{use.name!r} mixes the samples of a batch, and the phase {frozen[0]!r} computes the features of each "
                "sample once",
                "remove it, or train a part of the backbone too",
                code="augment.whole_batch",
            )


def _epoch_metrics(recipe: Recipe) -> Iterator[Problem]:
    """Check that what selects the epoch has no threshold that the same set chooses."""
    for place, name in recipe.train.evaluators().items():
        evaluator = recipe.epoch_metrics[f"val_{name}"].build()
        if not isinstance(getattr(evaluator, "threshold_rule", None), float | int | None):
            yield Problem(
                ("train", *place),
                f"the threshold of {name!r} is chosen on the validation set, for which it would select the epoch",
                "give it a number as threshold, or use a metric without one (val_auprc)",
                code="train.metric_threshold",
            )


def _callbacks(recipe: Recipe) -> Iterator[Problem]:
    """Check that callbacks that may stop a training are asked in all of them."""
    controls = recipe.controls
    if searched_hyperparameters(recipe) or (controls and (controls.permutations or controls.single_frame)):
        for use in recipe.without_watchers().callbacks:
            yield Problem(
                ("callbacks", recipe.callbacks.index(use)),
                f"{use.name!r} may stop a training, and is not asked for heads that are selected inside folds or "
                "trained for permutations and single_frame, as many heads are trained in one batch",
                f"remove {use.name!r}, or the search and these controls",
                code="train.not_in_batched_heads",
            )


def _evaluators(recipe: Recipe) -> Iterator[Problem]:
    """Check that the metrics are defined on test sets of this size."""
    allowed = getattr(recipe.resample.component.load(), "evaluators", None)
    for index, use in enumerate(recipe.evaluate):
        if use.component.kind == "aggregator":
            if not recipe.evaluators:
                yield Problem(
                    ("evaluate", index),
                    f"{use.name!r} combines metrics over folds, and there is no metric",
                    f"name metrics too: evaluate: [accuracy, auroc, auprc, {use.name}]",
                    code="recipe.no_metric",
                )
            continue
        if allowed is not None and use.component.full_name not in allowed:
            yield Problem(
                ("evaluate", index),
                f"{use.name!r} is not defined on the test sets of {recipe.resample.name!r}",
                f"use {' or '.join(map(repr, allowed))} with it, or another resampler",
                code="recipe.unsuitable_evaluator",
            )
