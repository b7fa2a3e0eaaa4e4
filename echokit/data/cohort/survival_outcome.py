"""Survival: whether a patient had the event by the horizon, from status and follow-up time."""

from __future__ import annotations

import math
import re

HOW_TO_WRITE = "write two words, or 1 and 0, for two classes, and quantities with a decimal point and without %"


def status_at(horizon: float, time: str, event: str) -> tuple[float, str]:
    """Decide whether an event came by the horizon, or why this is unknown.

    Nothing is guessed.

    Args:
        horizon: Days.
        time: Days to the event, or to the last contact without one, as text.
        event: 1 for an event, else 0, as text; true and false are accepted too.

    Returns:
        1.0 with an event at or before the horizon, 0.0 without one and at least that much follow-up, else NaN; and in
        that case the reason, which repeats no value of the table other than the days.
    """
    days = number(time)
    happened = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}.get(event.lower())
    if happened is None:
        return math.nan, "no event is given" if not event else "event is neither 0 nor 1"
    if math.isnan(days) or days < 0:
        return math.nan, "no time is given" if not time else "time is not a number of days"
    if happened and days <= horizon:
        return 1.0, ""
    if days >= horizon:
        return 0.0, ""
    return math.nan, f"followed for {days:g} of {horizon:g} days without an event"


def explain_number(text: str) -> str:
    """Explain why a cell is not a number, without repeating its value."""
    bare = text.removesuffix("%").strip()
    if re.fullmatch(r"[+-]?\d+,\d+", bare):
        return "a decimal comma"
    return "a % sign" if bare != text and not math.isnan(number(bare)) else "text"


def number(text: str) -> float:
    """Parse a finite number, or return NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) and "_" not in text else math.nan
