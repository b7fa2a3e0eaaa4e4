"""Paired tests of a model against a constant answer, on the same patients.

A baseline such as the share of the larger class comes from the patients that the model is measured on, so both vary
together. An interval of the model alone that contains the baseline therefore says little about the difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from echokit.evaluation.evaluation import BaselineTest
from echokit.evaluation.evaluator import Floats
from echokit.evaluation.statistics.call_counts import Counts


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Compute the exact two-sided p value of McNemar's test.

    Args:
        only_first: Patients that only the first classifies correctly.
        only_second: Patients that only the second classifies correctly.
    """
    from scipy.stats import binomtest

    differ = only_first + only_second
    return float(binomtest(only_first, differ).pvalue) if differ else 1.0


def against_larger_class(repeats: Sequence[Counts], *, discount: float = 1.0) -> BaselineTest:
    """Compare the classification with always answering the larger class (McNemar).

    Args:
        repeats: Counts of the same patients in each repeat, (1,) each; their mean is taken.
        discount: Divide the patients by this, for scores of several models (``WIDENING`` squared). The binomial
            distribution is then continued to fractions by the incomplete beta function.
    """
    from scipy.special import betainc

    cells = np.array([[counts.tn[0], counts.fp[0], counts.fn[0], counts.tp[0]] for counts in repeats])
    tn, fp, fn, tp = cells.mean(axis=0).tolist()
    larger_is_positive = tp + fn > fp + tn
    only_model, only_constant = (tn, fn) if larger_is_positive else (tp, fp)
    right = f"{only_model:g} patients correct with the model only, {only_constant:g} with the larger class only"
    if discount == 1 and len(repeats) == 1:
        return BaselineTest(mcnemar_p(int(only_model), int(only_constant)), f"McNemar, exact: {right}")
    fewer, differ = min(only_model, only_constant) / discount, (only_model + only_constant) / discount
    p = min(1.0, 2 * float(betainc(differ - fewer, fewer + 1, 0.5))) if differ > fewer else 1.0
    return BaselineTest(p, f"approximate, McNemar of patients discounted by {discount:.2f}: {right}")


def against_random_classes(counts: Counts) -> BaselineTest | None:
    """Compare the classification with as many random positives (Fisher's exact test).

    Given how many patients are positive and how many are classified as positive, every metric of the four counts
    rises with the true positives, whose distribution at random is hypergeometric. None if it has one value only.

    Args:
        counts: Of one set of patients, (1,) each.
    """
    from scipy.stats import hypergeom

    n, positives, predicted, tp = (
        int(cell[0]) for cell in (counts.n, counts.positives, counts.predicted_positives, counts.tp)
    )
    if positives in (0, n) or predicted in (0, n):
        return None
    null = hypergeom(n, positives, predicted)
    p = min(1.0, 2 * min(float(null.cdf(tp)), float(null.sf(tp - 1))))
    return BaselineTest(p, f"Fisher's exact test: {tp} true positives, at random {positives * predicted / n:.1f}")


def against_constant(model: Floats, constant: Floats, loss: str) -> BaselineTest | None:
    """Compare the loss of each patient with that of a constant answer (paired t).

    Mean and prevalence minimize squared error and cross-entropy. So estimating them on the same patients changes the
    difference in the second order only, and against the model.

    Args:
        model: (n,) float64, loss of the model.
        constant: (n,) float64, loss of the constant answer.
        loss: Its name, for the method.

    Returns:
        None for fewer than two patients. The p value is never below 2 / 2^n, the least that n signs can give.
    """
    from scipy.stats import t

    gain = constant - model
    n, scale = len(gain), float(np.abs(gain).max(initial=0.0))
    if n < 2:
        return None
    mean, error = float(gain.mean()), float(gain.std(ddof=1)) / n**0.5
    least = 2.0 ** (1 - n)
    p = least if scale > 0 else 1.0  # if every patient has the same gain
    if error > 1e-12 * scale:
        p = max(2 * float(t.sf(abs(mean) / error, n - 1)), least)
    saved = f", skill {1 - model.mean() / constant.mean():.3f}" if constant.mean() > 0 else ""
    return BaselineTest(p, f"paired t test of the {loss} of each patient{saved}")
