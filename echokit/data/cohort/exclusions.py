"""Exclude the cases of a list."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from echokit.data.cohort.cohort import Cohort
from echokit.errors import DataError
from echokit.system.files import require_regular


def exclude(cohort: Cohort, listing: Path) -> Cohort:
    """Exclude the listed cases, with a warning that counts them.

    Args:
        cohort: All cases.
        listing: One case_id on each line (``#`` starts a comment), or a JSON list of them.

    Raises:
        DataError: The list cannot be read, or names no case of the cohort.
    """
    try:
        require_regular(listing)
        text = listing.read_text(encoding="utf-8-sig")  # some editors begin the file with a byte-order mark
    except (OSError, UnicodeDecodeError):
        raise DataError(
            "the list of exclusions cannot be read", where=str(listing), code="exclude.unreadable"
        ) from None
    if text.lstrip().startswith("["):
        try:
            names = json.loads(text)
        except (ValueError, RecursionError):
            raise DataError(
                "the list of exclusions is not valid JSON", where=str(listing), code="exclude.not_json"
            ) from None
        if not all(isinstance(name, str) for name in names):
            raise DataError(
                "the list of exclusions has entries that are not names", where=str(listing), code="exclude.not_names"
            )
    else:
        names = [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]
    known = set(cohort.cases["case_id"])
    unknown = [name for name in names if name not in known]
    if names and len(unknown) == len(names):
        raise DataError(f"none of its {len(names)} cases is in the cohort", where=str(listing), code="exclude.no_case")
    warnings = [f"{len(set(names) & known)} cases excluded by {listing.name}"]
    if unknown:
        warnings.append(f"{len(unknown)} names in {listing.name} are not in the cohort, for example {unknown[0]}")
    remaining = cohort.cases[~cohort.cases["case_id"].isin(names)].reset_index(drop=True)
    excluded = len(cohort.cases) - len(remaining)
    return replace(cohort, cases=remaining, warnings=(*cohort.warnings, *warnings), excluded=cohort.excluded + excluded)
