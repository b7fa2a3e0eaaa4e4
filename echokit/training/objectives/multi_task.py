"""Multi-task objective: the class and the ejection fraction."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError
from echokit.training.objectives.cross_entropy import Calibrate, ClassWeights, class_weights_of, refuse_estimates
from echokit.training.objectives.ef_regression import Delta, cut_and_mean

if TYPE_CHECKING:
    from echokit.data.cohort.targets import Targets
    from echokit.training.objectives.objective import Objective

Share = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class MultiTask:
    """Cross entropy of the class and regression of the ejection fraction.

    The score is the probability of the positive class by its logit; the estimated EF is a second output, and the two
    may disagree. The loss of the EF is divided by that of the training mean, so that 1 is the loss of a model without
    information, for any loss and unit. Class weights are scaled to a mean of 1 over the training cases.

    Args:
        class_weights: As in `cross_entropy`; the score is without their shift.
        loss: Loss of the EF, as in `ef_regression`.
        delta: Error at which the Huber loss becomes linear, in points of EF.
        classification: Weight of the cross entropy.
        regression: Weight of the loss of the EF.
        calibrate: A calibrator, such as `platt`, fits the probability to the scores of the validation patients, if
            there are enough of them; null leaves the score as it is.

    Raises:
        EchokitError: The calibrator needs an estimate as its score.
    """

    def __init__(
        self,
        *,
        class_weights: ClassWeights = None,
        loss: Literal["mse", "l1", "huber"] = "mse",
        delta: Delta = 5.0,
        classification: Share = 1.0,
        regression: Share = 1.0,
        calibrate: Calibrate = None,
    ) -> None:
        refuse_estimates(calibrate)
        self.class_weights = class_weights
        self.loss: Literal["mse", "l1", "huber"] = loss
        self.delta = delta
        self.classification = classification
        self.regression = regression
        self.calibrate = calibrate

    def __call__(self, targets: Targets) -> Objective:
        """Create the objective of one fold.

        Args:
            targets: Targets of the training cases.

        Raises:
            DataError: The training cases have one class or one EF only, or the target is not a quantity with the
                positive class below a cut-off.
        """
        import torch

        from echokit.training.objectives.regression import ClassAndValue, regression_losses

        w0, w1 = class_weights_of(targets, self.class_weights)
        _, mean = cut_and_mean(targets)
        scale = float(np.mean(np.where(targets.y_true == 1, w1, w0)))
        value = torch.from_numpy(targets.value)
        baseline = float(regression_losses(torch.full_like(value, mean), value, self.loss, self.delta).mean())
        if not baseline > 0:
            raise DataError(
                "every training case has the same value of the target", where="target", code="objective.one_value"
            )
        return ClassAndValue(
            class_weights=(w0 / scale, w1 / scale),
            shift=math.log(w1 / w0),
            kind=self.loss,
            delta=self.delta,
            classification=self.classification,
            regression=self.regression / baseline,
            initial_bias=(0.0, mean),
            calibrator=self.calibrate,
        )
