"""The cases that the page shows: the worst errors and the most confident correct ones."""

from __future__ import annotations

from dataclasses import dataclass

from echokit.evaluation.predictions import Predictions
from echokit.results.page.cine_loops import Loop, Source, loop
from echokit.results.page.patients import SPLIT
from echokit.results.run import Run
from echokit.results.wording import with_unit


@dataclass(frozen=True)
class ShownCase:
    """A case and its video loop.

    Attributes:
        case_id: Name of the case.
        score: Mean score over folds.
        truth: The true class.
        measured: EF and its estimate, or empty.
        kind: ``wrong`` or ``certain``.
        loop: The video, or None.
    """

    case_id: str
    score: float
    truth: str
    measured: str
    kind: str
    loop: Loop | None


def shown_cases(run: Run, predictions: Predictions, source: Source, most: int) -> list[ShownCase]:
    """Select the worst errors and the most confident correct cases of the test set.

    Args:
        run: The run.
        predictions: Of the run, one row a case and fold.
        source: Gives the frames of a case.
        most: Number of cases of each kind.
    """
    table = predictions.table
    cases = table[table["split"] == SPLIT].groupby(["case_id", "y_true"], as_index=False)["y_score"].mean()
    margin = (cases["y_score"] - predictions.threshold) * (2 * cases["y_true"] - 1)
    ordered = cases.assign(margin=margin).sort_values(["margin", "case_id"])
    wrong = ordered[ordered["margin"] < 0].head(most)
    certain = ordered[ordered["margin"] >= 0].tail(most).iloc[::-1]
    measured = _measured(run, predictions)
    shown = []
    for kind, selected in (("wrong", wrong), ("certain", certain)):
        for row in selected.to_dict("records"):
            name = str(row["case_id"])
            clip = source(name)
            truth = predictions.positive if row["y_true"] else f"not {predictions.positive}"
            video = None if clip is None else loop(clip)
            shown.append(ShownCase(name, float(row["y_score"]), truth, measured.get(name, ""), kind, video))
    return shown


def _measured(run: Run, predictions: Predictions) -> dict[str, str]:
    """Format the EF, or the target's column: ``EF 34 % (estimated 41)``."""
    target, cohort = run.lock.recipe.target, run.cohort
    column = "ef" if "ef" in cohort.columns else target.source if target.cuts else None
    if column is None or column not in cohort.columns:
        return {}
    values = cohort.dropna(subset=[column]).set_index("case_id")[column]
    texts = {str(case): with_unit(column, f"{value:.0f}") for case, value in values.items()}
    tested = predictions.table[predictions.table["split"] == SPLIT]
    if "prediction" in tested.columns and target.source == column:
        for case, value in tested.groupby("case_id")["prediction"].mean().items():
            texts[str(case)] += f" (estimated {value:.0f})"
    return texts
