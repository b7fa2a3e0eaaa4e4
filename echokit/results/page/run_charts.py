"""The figures of a run inside its page: drawn as for ``plots/``, written as SVG."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from markupsafe import Markup, escape

from echokit.evaluation.evaluation import Evaluation
from echokit.evaluation.predictions import Predictions
from echokit.results.figures.curve_figures import PR, ROC, overlaid_figure, pr_figure, roc_figure
from echokit.results.figures.evaluator_curves import curve_caption, curve_figure, drawn_curves
from echokit.results.figures.figure_style import house_style
from echokit.results.figures.learning_figure import learning_curves_figure
from echokit.results.figures.score_figures import calibration_figure, decision_figure, score_figure
from echokit.results.run import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCRIPTIONS = {
    "roc": "Sensitivity against the share of negative patients that are classified as positive.",
    "pr": "Share of correct positive predictions against the share of positive patients that are found.",
    "calibration": "Observed share of positives in ten bins of the predicted probability, with the 95 % band of a "
    "calibrated model.",
    "decision": "Net benefit of acting on the model, compared with acting on all patients and on none.",
    "scores": "Scores of each class: the less they overlap, the better the model separates the classes.",
    "learning": "Loss, accuracy and AUROC by epoch, as far as they were recorded.",
}


def figures_of(run: Run, joined: Predictions | None, split: str) -> list[Markup]:
    """Draw ROC, precision-recall, calibration, decision, score and learning curves.

    Also those that evaluators define themselves.

    Args:
        run: A finished run.
        joined: Predictions of the split, one row a patient, from ``first_repeat``.
        split: Which split.
    """
    evaluation, stamp = Evaluation(run.metrics, run.curves), run.lock.stamp
    positive = run.lock.recipe.target.positive
    figures: dict[str, Figure | None] = {}
    for name, draw in (("roc", roc_figure), ("pr", pr_figure)):
        if evaluation.curves.get(name, {}).get(split):
            figures[name] = draw(evaluation, positive=positive, split=split, stamp=stamp)
    drawn = [svg(name, figure) for name, figure in figures.items() if figure is not None]
    for number, (name, folds) in enumerate(drawn_curves(run.curves, split).items()):
        figure = curve_figure(folds, positive=positive, split=split, stamp=stamp)
        drawn.append(svg(f"curve{number}", figure, curve_caption(name, folds, run.metrics, split)))
    figures = {}
    if joined is not None:
        figures["calibration"] = calibration_figure(joined, stamp=stamp)
        figures["decision"] = decision_figure(joined, stamp=stamp)
        figures["scores"] = score_figure(joined, stamp=stamp)
    if run.history:
        figures["learning"] = learning_curves_figure(run.history, stamp=stamp)
    return drawn + [svg(name, figure) for name, figure in figures.items() if figure is not None]


def overlaid(names: Sequence[str], curves: Sequence[Mapping[str, Any]], split: str, stamp: str | None) -> list[Markup]:
    """Draw the ROC and precision-recall curves of all runs with a single fold."""
    drawn = []
    for kind in (ROC, PR):
        folds = {name: run.get(kind.name, {}).get(split, []) for name, run in zip(names, curves, strict=True)}
        single = {name: found[0] for name, found in folds.items() if len(found) == 1}
        if single:
            drawn.append(svg(kind.name, overlaid_figure(kind, single, stamp=stamp)))
    return drawn


def svg(name: str, figure: Figure, caption: str | None = None) -> Markup:
    """Convert a figure to inline SVG; the same figure gives the same text.

    Args:
        name: Unique on the page.
        figure: From one of the functions of the report.
        caption: The text below it; by default that of ``DESCRIPTIONS``.
    """
    import matplotlib

    caption = DESCRIPTIONS[name] if caption is None else caption
    buffer = io.StringIO()
    with house_style(), matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    root = _inline(ElementTree.fromstring(buffer.getvalue()), f"{name}-")
    root.set("role", "img")
    root.set("aria-label", f"{figure.get_label()}. {caption}")
    # matplotlib sets these for all elements by a style sheet, which would hold for the whole page.
    root.set("stroke-linejoin", "round")
    content = ElementTree.tostring(root, encoding="unicode")
    return Markup(f'<figure class="chart">{content}<figcaption>{escape(caption)}</figcaption></figure>')


def _inline(element: ElementTree.Element, prefix: str) -> ElementTree.Element:
    """Remove namespaces, metadata and style sheets, and make ids unique on the page."""
    attributes = {}
    for key, value in element.attrib.items():
        name = _local(key)
        if name == "id":
            value = prefix + value
        attributes[name] = f"#{prefix}{value[1:]}" if name == "href" else value.replace("url(#", f"url(#{prefix}")
    element.tag = _local(element.tag)
    element.attrib = attributes
    element[:] = [_inline(child, prefix) for child in element if _local(child.tag) not in ("metadata", "style")]
    return element


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def first_repeat(folds: Sequence[Predictions]) -> Predictions | None:
    """Join the folds of the first repeat, so that no patient counts twice."""
    import pandas as pd

    first = [fold for fold in folds if len(fold) and int(fold.table["repeat"].iloc[0]) == 0]
    if not first:
        return None
    table = pd.concat([fold.table for fold in first], ignore_index=True)
    return Predictions(table, first[0].positive, first[0].threshold, first[0].probability)
