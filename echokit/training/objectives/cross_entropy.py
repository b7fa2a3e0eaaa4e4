"""Cross entropy of two classes: class weights, and whether the score is a probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError, EchokitError
from echokit.plugins.component_parameter import ComponentOf
from echokit.training.calibrators.calibration import Calibrator, needs_estimate

if TYPE_CHECKING:
    from echokit.data.cohort.targets import Targets
    from echokit.training.objectives.objective import Objective

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Calibrate = Annotated[Any, ComponentOf("calibrator")] | None
ClassWeights = Literal["balanced"] | tuple[Weight, Weight] | None


class CrossEntropy:
    """Softmax cross entropy of two classes; the score is the probability of class 1.

    With class weights w0 and w1, the optimal logit is shifted by log(w1/w0): by 1.246 for the balanced weights of
    EF < 50 in EchoNet-Dynamic (0.644 and 2.239). The score removes that shift and is a probability again. The ranking
    of the cases, and so AUROC and AUPRC, does not change. The threshold does: 0.5 without the shift corresponds to
    0.777 on the raw score. The reference study used the raw score: `remove_shift: false` repeats that and does not
    report the score as a probability. Label smoothing pulls the optimal score towards 0.5, and the focal factor (Lin
    et al., Focal loss for dense object detection, 2017) distorts it: with either, the score is a probability only
    after `calibrate`.

    Args:
        outputs: Outputs of the model: 2 logits, or 1 logit of the positive class (the other is then 0).
        class_weights: Weights of the negative and the positive class. `balanced` is n / (2 * n of the class) over the
            training cases, so both classes have the same total weight; null gives every case the same weight.
        label_smoothing: Fraction of the target that both classes share evenly.
        focal: Down-weights easy cases: losses are multiplied by (1 - p) ** focal, where p is the probability of the
            true class; 0 for plain cross entropy.
        remove_shift: Whether to subtract log(w1/w0) from the logit before the score. With `focal` the shift is
            another one, and nothing is subtracted.
        calibrate: A calibrator, such as `platt`, fits the probability to the scores of the validation patients, if
            there are enough of them; null leaves the score as it is.

    Raises:
        EchokitError: Label smoothing and focal together, or the calibrator needs an estimate.
    """

    def __init__(
        self,
        *,
        outputs: Literal[1, 2] = 2,
        class_weights: ClassWeights = None,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        focal: Annotated[float, Field(ge=0, le=10)] = 0.0,
        remove_shift: bool = True,
        calibrate: Calibrate = None,
    ) -> None:
        if label_smoothing and focal:
            raise EchokitError(
                "label_smoothing and focal cannot be combined: no loss is defined for both",
                hint="set one of them to 0",
                where="objective",
                code="objective.smoothing_and_focal",
            )
        refuse_estimates(calibrate)
        self.outputs = outputs
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.focal = focal
        self.remove_shift = remove_shift
        self.calibrate = calibrate

    def __call__(self, targets: Targets) -> Objective:
        """Create the objective of one fold.

        Args:
            targets: Targets of the training cases.

        Returns:
            An objective whose ``probability`` is False if the score still contains a shift, or with label smoothing or
            the focal factor.

        Raises:
            DataError: The training cases have one class only.
        """
        from echokit.training.objectives.classification import WeightedCrossEntropy

        w0, w1 = class_weights_of(targets, self.class_weights)
        shift = math.log(w1 / w0)
        removed = shift if self.remove_shift and not self.focal else 0.0
        return WeightedCrossEntropy(
            outputs=self.outputs,
            probability=removed == shift and not self.label_smoothing and not self.focal,
            weights=(w0, w1),
            label_smoothing=self.label_smoothing,
            focal=self.focal,
            shift=removed,
            calibrator=self.calibrate,
        )


def refuse_estimates(calibrator: Calibrator | None) -> None:
    """Check that a calibrator takes the score of a classifier.

    Raises:
        EchokitError: It needs the distance of an estimate from a cut-off.
    """
    if needs_estimate(calibrator):
        raise EchokitError(
            "this calibrator needs the distance of an estimate from a cut-off, and a classifier has none",
            hint="use platt, or the objective ef_regression",
            where="objective.calibrate",
            code="objective.no_estimate",
        )


def class_weights_of(targets: Targets, class_weights: ClassWeights) -> tuple[float, float]:
    """Compute the weights of class 0 and class 1.

    Raises:
        DataError: The training cases have one class only.
    """
    n0, n1 = (int(np.count_nonzero(targets.y_true == label)) for label in (0, 1))
    if n0 == 0 or n1 == 0:
        raise DataError(
            f"the training set has one class only: {n0} negative, {n1} positive",
            hint="check the cut-off in target and the split; a classifier needs both classes",
            code="fold.one_class",
        )
    if class_weights == "balanced":
        return (n0 + n1) / (2 * n0), (n0 + n1) / (2 * n1)
    return class_weights or (1.0, 1.0)
