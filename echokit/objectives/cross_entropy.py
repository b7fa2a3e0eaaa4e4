"""Cross entropy between the two classes: what it weighs, and when its score is a probability."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from echokit.errors import DataError

if TYPE_CHECKING:
    from echokit.objectives.objective import Objective, Targets

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class CrossEntropy:
    """Softmax cross entropy of two classes; the score is the probability of the positive one, class 1.

    Weighted training does not answer the question "how probable": weights w0 and w1 move the best logit by
    log(w1/w0), which is 1.246 for the balanced weights of EF < 50 in EchoNet-Dynamic (0.644 and 2.239). The
    score takes that shift back and so is a probability again; the ranking of the cases, and with it AUROC and
    AUPRC, is the same either way. The threshold 0.5 is not: on the score without the shift it stands where
    0.777 stood on the raw one. The study thresholded the raw score: `remove_shift: false` repeats that, and
    marks the score as no probability.

    Args:
        outputs: Numbers that the model gives: 2 logits, or 1 logit of the positive class (the other is then
            0).
        class_weights: Weights of the negative and the positive class; `balanced` is n / (2 * n of the class)
            over the training cases, which both weigh the same then; null weighs every case the same.
        label_smoothing: Part of the target that is shared evenly by both classes; the scores shrink towards
            0.5.
        remove_shift: Whether to take log(w1/w0) off the logit before the score.
    """

    def __init__(
        self,
        *,
        outputs: Literal[1, 2] = 2,
        class_weights: Literal["balanced"] | tuple[Weight, Weight] | None = None,
        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0,
        remove_shift: bool = True,
    ) -> None:
        self.outputs = outputs
        self.class_weights = class_weights
        self.label_smoothing = label_smoothing
        self.remove_shift = remove_shift

    def __call__(self, targets: Targets) -> Objective:
        """Make the objective for one fold.

        Args:
            targets: Of the training cases.

        Returns:
            An objective whose ``probability`` is False only where a shift is left in the score.

        Raises:
            DataError: The training cases are of one class.
        """
        from echokit.objectives.classification import WeightedCrossEntropy

        n0, n1 = (int(np.count_nonzero(targets.y_true == label)) for label in (0, 1))
        if n0 == 0 or n1 == 0:
            raise DataError(
                f"the training cases are of one class: {n0} negative, {n1} positive",
                hint="check the cut-off in target and the split; a classifier needs both classes",
            )
        n = n0 + n1
        weights = (n / (2 * n0), n / (2 * n1)) if self.class_weights == "balanced" else self.class_weights
        w0, w1 = weights or (1.0, 1.0)
        shift = math.log(w1 / w0)
        return WeightedCrossEntropy(
            outputs=self.outputs,
            probability=self.remove_shift or shift == 0,
            weights=(w0, w1),
            label_smoothing=self.label_smoothing,
            shift=shift if self.remove_shift else 0.0,
        )
