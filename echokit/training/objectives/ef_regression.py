"""Regression of the ejection fraction in percent; the cut-off is applied to the estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError
from echokit.plugins.component_parameter import ComponentOf

if TYPE_CHECKING:
    from echokit.data.cohort.targets import Targets
    from echokit.training.objectives.objective import Objective

Delta = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class EfRegression:
    """Regression of the ejection fraction in percent.

    As in echonet/dynamic (Ouyang et al., Nature, 2020). The bias of the head starts at the mean EF of the training
    cases. The score is the distance of the estimate below the cut-off, in points of EF: not a probability. `calibrate`
    turns it into one, with the validation patients alone. Without enough of them the score stays as it is, its
    threshold is 0, and all outputs report that it is not a probability.

    Args:
        loss: `mse`, the squared error; `l1`, the absolute error; `huber`, squared up to `delta`, absolute beyond.
        delta: Error in points of EF at which `huber` changes from quadratic to linear; not used by the other losses.
        calibrate: A calibrator: `normal` fits a linear model from the estimated to the true EF with normal errors, and
            needs 20 validation patients; `platt` fits a logistic model of the class, and needs 10 of each class; null
            leaves the score as it is.
    """

    def __init__(
        self,
        *,
        loss: Literal["mse", "l1", "huber"] = "mse",
        delta: Delta = 5.0,
        calibrate: Annotated[Any, ComponentOf("calibrator")] | None = "normal",
    ) -> None:
        self.loss: Literal["mse", "l1", "huber"] = loss
        self.delta = delta
        self.calibrate = calibrate

    def __call__(self, targets: Targets) -> Objective:
        """Create the objective of one fold.

        Args:
            targets: Targets of the training cases.

        Raises:
            DataError: The target is not a quantity with the positive class below a cut-off.
        """
        from echokit.training.objectives.regression import ValueRegression

        below, mean = cut_and_mean(targets)
        return ValueRegression(
            below=below,
            kind=self.loss,
            delta=self.delta,
            initial_bias=(mean,),
            calibrator=self.calibrate,
        )


def cut_and_mean(targets: Targets) -> tuple[float, float]:
    """Return the cut-off and the mean of the training values.

    Raises:
        DataError: The target is not a quantity with the positive class below a cut-off.
    """
    if targets.below is None or not len(targets.value) or not np.isfinite(targets.value).all():
        raise DataError(
            "this objective estimates a quantity such as the EF, and needs the positive class below a cut-off of it",
            hint="give the cut-off as target.below or target.at_or_below, or use cross_entropy",
            where="target",
            code="objective.no_cutoff",
        )
    return targets.below, float(targets.value.mean())
