"""Cross entropy between the two classes: what it weighs, and when its score is a probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError, EchokitError
from echokit.objectives.calibration import platt

if TYPE_CHECKING:
    from echokit.objectives.objective import Objective, Targets

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ClassWeights = Literal["balanced"] | tuple[Weight, Weight] | None


class CrossEntropy:
    """Softmax cross entropy of two classes; the score is the probability of the positive one, class 1.

    Weighted training does not answer the question "how probable": weights w0 and w1 move the best logit by
    log(w1/w0), which is 1.246 for the balanced weights of EF < 50 in EchoNet-Dynamic (0.644 and 2.239). The
    score takes that shift back and so is a probability again; the ranking of the cases, and with it AUROC and
    AUPRC, is the same either way. The threshold 0.5 is not: on the score without the shift it stands where
    0.777 stood on the raw one. The study thresholded the raw score: `remove_shift: false` repeats that, and
    marks the score as no probability. Label smoothing pulls the best score towards 0.5 and the focal factor
    (Lin et al., Focal loss for dense object detection, 2017) bends it: with either, the score counts as a
    probability only after `calibrate`.

    Args:
        outputs: Numbers that the model gives: 2 logits, or 1 logit of the positive class (the other is then
            0).
        class_weights: Weights of the negative and the positive class; `balanced` is n / (2 * n of the class)
            over the training cases, which both weigh the same then; null weighs every case the same.
        label_smoothing: Part of the target that is shared evenly by both classes.
        focal: Cases of which the model is already sure weigh less: losses are multiplied by (1 - p) ** focal,
            p being the probability of the true class; 0 for plain cross entropy.
        remove_shift: Whether to take log(w1/w0) off the logit before the score. With `focal` the shift is not
            that, and nothing is taken off.
        calibrate: `platt` fits the probability to the scores of the validation patients, where there are
            enough of them; null takes the score as it is.

    Raises:
        EchokitError: Label smoothing and focal together.
    """

    def __init__(
        self,
        *,
        outputs: Literal[1, 2] = 2,
        class_weights: ClassWeights = None,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        focal: Annotated[float, Field(ge=0, le=10)] = 0.0,
        remove_shift: bool = True,
        calibrate: Literal["platt"] | None = None,
    ) -> None:
        if label_smoothing and focal:
            raise EchokitError(
                "label_smoothing makes the model less sure, focal rewards being unsure: they are not defined together",
                hint="set one of them to 0",
                where="objective",
            )
        self.outputs = outputs
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.focal = focal
        self.remove_shift = remove_shift
        self.calibrate = calibrate

    def __call__(self, targets: Targets) -> Objective:
        """Make the objective for one fold.

        Args:
            targets: Of the training cases.

        Returns:
            An objective whose ``probability`` is False where a shift is left in the score, or label smoothing or the
            focal factor has moved it.

        Raises:
            DataError: The training cases are of one class.
        """
        from echokit.objectives.classification import WeightedCrossEntropy

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
            calibrator=platt("logit") if self.calibrate else None,
        )


def class_weights_of(targets: Targets, wanted: ClassWeights) -> tuple[float, float]:
    """Weights of class 0 and class 1.

    Raises:
        DataError: The training cases are of one class.
    """
    n0, n1 = (int(np.count_nonzero(targets.y_true == label)) for label in (0, 1))
    if n0 == 0 or n1 == 0:
        raise DataError(
            f"the training cases are of one class: {n0} negative, {n1} positive",
            hint="check the cut-off in target and the split; a classifier needs both classes",
        )
    if wanted == "balanced":
        return (n0 + n1) / (2 * n0), (n0 + n1) / (2 * n1)
    return wanted or (1.0, 1.0)
