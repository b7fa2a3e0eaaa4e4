"""What the numbers of a small or lopsided cohort cannot support, said in words."""

from __future__ import annotations

from collections.abc import Sequence

from echokit.evaluate.chance import best_of_random
from echokit.evaluate.evaluation import Metric
from echokit.report.wording import count, interval, number, select, title

# A usual minimum for validating a prediction model (Collins et al., Statistics in Medicine, 2016).
ENOUGH_EVENTS = 100


# Numbers of which neither more nor less is better than the baseline, or which another row says better.
_NOT_COMPARED = ("confusion_", "calibration_", "bland_altman_", "study_auprc_")
_JOINED = ("_fold_mean", "_fold_sd", "auroc_pooled")
_LOWER_IS_BETTER = ("brier", "log_loss", "mae", "rmse")


def cautions(metrics: Sequence[Metric], split: str, *, tried: int = 1) -> list[str]:
    """Name the claims that the metrics of one split do not support; empty where there is nothing to warn of.

    Args:
        metrics: From ``assess``.
        split: The split that the answer is about.
        tried: Configurations that were tried on the same data, this one included.
    """
    here = [metric for metric in metrics if metric.split == split and metric.subgroup is None]
    if not here:
        return [f"No metric was computed on the {split} split, so nothing is known of new patients."]
    names = list(dict.fromkeys(metric.metric for metric in here))
    folds = [metric for metric in select(here, names[0], split) if metric.fold is not None] or [here[0]]
    first_repeat = [metric for metric in folds if metric.repeat == folds[0].repeat]
    # Where a patient is in several test folds, only a row over all folds counts patients once.
    whole = [
        metric for metric in here if metric.fold is None and not metric.metric.endswith(("_fold_mean", "_fold_sd"))
    ]
    lines = [*_size(whole[:1] or first_repeat, split), *_many_tries(first_repeat, tried)]
    if len(folds) > 1:
        lines.append(
            "Values of single folds have no interval here, and the spread between folds is not one: "
            "their training sets overlap, so folds are not independent."
        )
    weak = []
    for name in names:
        if not name.startswith(_NOT_COMPARED) and not name.endswith(_JOINED):
            found = select(here, name, split)
            lines += _undefined(found) if len(found) > 1 else _against_baseline(found[0])
            beaten = sum(map(_is_beaten, found))
            if len(found) > 1 and beaten:
                weak.append(f"{title(name)} ({beaten} of {len(found)} folds)")
    if weak:
        lines.append(f"In single folds no better than a model without any information: {', '.join(weak)}.")
    return lines


def _many_tries(folds: Sequence[Metric], tried: int) -> list[str]:
    """Say what the best of as many models without any information is expected to reach on the same few events."""
    events, n = sum(metric.events for metric in folds), sum(metric.n for metric in folds)
    if tried < 2 or not 0 < min(events, n - events) < ENOUGH_EVENTS:
        return []
    sizes = [(metric.events, metric.n) for metric in folds]
    if not any(0 < events < n for events, n in sizes):
        return []
    over = f", as a mean over {len(sizes)} folds," if len(sizes) > 1 else ""
    return [
        f"{tried} configurations were tried on these data in this folder. The best of {tried} models without any "
        f"information is expected to reach{over} an AUROC of {best_of_random(sizes, tried):.2f} here: a choice among "
        "them has to beat that, not 0.5."
    ]


def _size(folds: Sequence[Metric], split: str) -> list[str]:
    n, events = sum(metric.n for metric in folds), sum(metric.events for metric in folds)
    few, of = (events, "positive") if events <= n - events else (n - events, "negative")
    if few == 0:
        return [
            f"The {split} split ({count(n, 'patient')}) holds one class only: whether the model tells the "
            "classes apart can not be measured. Undefined is not zero."
        ]
    if few < ENOUGH_EVENTS:
        return [
            f"The {split} split has {count(few, f'{of} patient')}, fewer than {ENOUGH_EVENTS}: too few to "
            "compare models that differ by a few points, to choose a threshold, or to look at subgroups."
        ]
    return []


def _undefined(folds: Sequence[Metric]) -> list[str]:
    undefined = sum(metric.value is None for metric in folds)
    return [f"{title(folds[0].metric)} is undefined in {undefined} of {len(folds)} folds."] if undefined else []


def _better(metric: Metric) -> int:
    """1 where more is better, -1 where less is."""
    return -1 if metric.metric in _LOWER_IS_BETTER else 1


def _is_beaten(metric: Metric) -> bool:
    """Whether a model without any information is as good."""
    if metric.value is None or metric.baseline is None:
        return False
    return _better(metric) * (metric.value - metric.baseline) <= 0


def _against_baseline(metric: Metric) -> list[str]:
    name, nothing, sign, ends = (
        title(metric.metric),
        _without_information(metric.metric),
        _better(metric),
        interval(metric),
    )
    if _is_beaten(metric):
        return [f"{name} {number(metric.value)} is not better than {nothing} ({number(metric.baseline)})."]
    if metric.low is None:
        return []
    nearer = metric.low if sign > 0 else metric.high
    if metric.baseline is not None and nearer is not None and sign * (nearer - metric.baseline) <= 0:
        return [
            f"The interval of {name} ({ends}) includes what {nothing} scores ({number(metric.baseline)}): "
            "the data do not show that the model is better."
        ]
    if metric.low == metric.high:
        return [f"The interval of {name} has no width because all resamples agree; that is not certainty."]
    return []


def _without_information(metric: str) -> str:
    return "always answering the larger class" if metric.startswith("accuracy") else "a model without any information"
