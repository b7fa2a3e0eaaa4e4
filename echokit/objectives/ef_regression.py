"""Regression of the ejection fraction: the model gives EF in percent, the cut-off comes afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError
from echokit.objectives.calibration import normal, platt

if TYPE_CHECKING:
    from echokit.objectives.objective import Objective, Targets

Delta = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EfRegression:
    """Estimate the ejection fraction itself, in percent, as echonet/dynamic does (Ouyang et al., Nature, 2020).

    The head starts at the mean EF of the training cases. The score by which cases are ranked is how far the
    estimate lies below the cut-off, in points of EF: that is no probability. `calibrate` makes it one, from
    the validation patients alone; where there are too few of them, or there is no validation part, the score
    stays what it is, its threshold is 0, and all outputs say that it is no probability.

    Args:
        loss: `mse`, the squared error; `l1`, the absolute error; `huber`, squared up to `delta`, absolute
            beyond.
        delta: Error in points of EF at which `huber` turns from a square to a line; the other losses have
            none.
        calibrate: `normal` takes a straight line from the estimated to the true EF with a normal error, and
            needs 20 validation patients; `platt` a logistic curve from the estimate to the class, and needs
            10 of each class; null leaves the score as it is.
    """

    def __init__(
        self,
        *,
        loss: Literal["mse", "l1", "huber"] = "mse",
        delta: Delta = 5.0,
        calibrate: Literal["normal", "platt"] | None = "normal",
    ) -> None:
        self.loss: Literal["mse", "l1", "huber"] = loss
        self.delta = delta
        self.calibrate = calibrate

    def __call__(self, targets: Targets) -> Objective:
        """Make the objective for one fold.

        Args:
            targets: Of the training cases.

        Raises:
            DataError: The target is no quantity with a cut-off that the positive class lies below.
        """
        from echokit.objectives.regression import ValueRegression

        below, mean = cut_and_mean(targets)
        calibrators = {"normal": normal(below), "platt": platt("score"), None: None}
        return ValueRegression(below, self.loss, self.delta, (mean,), calibrators[self.calibrate])


def cut_and_mean(targets: Targets) -> tuple[float, float]:
    """The cut-off, and the mean of the training values.

    Raises:
        DataError: The target is no quantity with a cut-off that the positive class lies below.
    """
    if targets.below is None or not len(targets.value) or not np.isfinite(targets.value).all():
        raise DataError(
            "this objective estimates a quantity such as the EF, and the positive class lies below a cut-off of it",
            hint="give the cut-off as target.below or target.at_or_below, or use cross_entropy",
            where="target",
        )
    return targets.below, float(targets.value.mean())
