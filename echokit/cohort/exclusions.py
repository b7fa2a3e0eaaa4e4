"""Leaving cases out by a list."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from echokit.cohort.cohort import Cohort
from echokit.errors import DataError
from echokit.files import require_regular


def exclude(cohort: Cohort, listing: Path) -> Cohort:
    """Leave the listed cases out, and say how many.

    Args:
        cohort: All cases.
        listing: One case_id a line (``#`` starts a comment), or a JSON list of them.

    Raises:
        DataError: The list can not be read, or names no case of the cohort.
    """
    try:
        require_regular(listing)
        text = listing.read_text(encoding="utf-8-sig")  # some editors put a mark in front
    except (OSError, UnicodeDecodeError):
        raise DataError("the list of exclusions can not be read", where=str(listing)) from None
    if text.lstrip().startswith("["):
        try:
            names = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError("the list of exclusions is not valid JSON", where=str(listing)) from None
        if not all(isinstance(name, str) for name in names):
            raise DataError("the list of exclusions holds something else than names", where=str(listing))
    else:
        names = [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]
    known = set(cohort.cases["case_id"])
    strange = [name for name in names if name not in known]
    if names and len(strange) == len(names):
        raise DataError(f"none of its {len(names)} cases is in the cohort", where=str(listing))
    warnings = [f"{len(set(names) & known)} cases left out by {listing.name}"]
    if strange:
        warnings.append(f"{len(strange)} names in {listing.name} are not in the cohort, for example {strange[0]}")
    kept = cohort.cases[~cohort.cases["case_id"].isin(names)].reset_index(drop=True)
    left_out = len(cohort.cases) - len(kept)
    return replace(cohort, cases=kept, warnings=(*cohort.warnings, *warnings), excluded=cohort.excluded + left_out)
