"""The report of a check: for a person, for a program, and as a list of exclusions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from echokit.errors import EchokitError
from echokit.system.files import require_regular, write_text
from echokit.system.phantom_mark import STAMP
from echokit.tools.dataset_check.check_dataset import Checkup
from echokit.tools.dataset_check.finding import Finding

LEVELS = ("error", "warning", "note")
HEAD = "# Cases to leave out, by echokit data check: data: {exclude: THIS FILE}"


def lines(checkup: Checkup) -> Iterator[str]:
    """Format one row for each check with a finding, the most serious first."""
    stamp = f"{STAMP}: " if checkup.phantom else ""
    yield f"{stamp}{checkup.layout}: {checkup.cases} videos listed, {checkup.frames} frames decoded"
    found = [one for level in LEVELS for one in checkup.findings if one.count and one.level == level]
    width = max((len(one.check) for one in found), default=0)
    for one in found:
        yield f"{one.level:<7}  {one.check:<{width}}  {one.count:>5}  {_words(one)}"
    clear = [one.check for one in checkup.findings if not one.count]
    yield f"nothing found by {len(clear)} checks: {', '.join(clear)}"
    yield (
        "result: something here would corrupt training or testing"
        if checkup.corrupting
        else "result: nothing that would corrupt training or testing"
    )


def _words(one: Finding) -> str:
    if one.says and one.check in ("class_balance", "frame_rates"):
        return f"{one.says}: {'; '.join(one.examples)}"
    more = ", ..." if one.count > len(one.examples) else ""
    examples = f": {', '.join(one.examples)}{more}" if one.examples else ""
    hint = f"  [{one.hint}]" if one.hint else ""
    return f"{one.says}{examples}{hint}"


def as_json(checkup: Checkup) -> dict[str, Any]:
    """Everything, as JSON-able data."""
    return {
        "data": STAMP if checkup.phantom else None,
        "layout": checkup.layout,
        "cases": checkup.cases,
        "frames": checkup.frames,
        "corrupting": checkup.corrupting,
        "checks": [asdict(one) for one in checkup.findings],
        "exclusions": checkup.exclusions(),
    }


def write_exclusions(checkup: Checkup, place: Path) -> int:
    """Write the cases to leave out, for ``data.exclude``; return how many they are.

    Raises:
        EchokitError: There is something else at the place already, or it cannot be written.
    """
    excluded = checkup.exclusions()
    plain = all(case == case.strip() and not set(case) & set("#\n\r") and case[:1] != "[" for case in excluded)
    text = "".join(f"{line}\n" for line in [HEAD, *(f"{case}  # {why}" for case, why in excluded.items())])
    if not plain:
        text = json.dumps(list(excluded), indent=1) + "\n"
    try:
        if place.exists():
            require_regular(place)
            if not place.read_bytes().lstrip().startswith((HEAD.encode(), b"[")):
                raise EchokitError(
                    "there is a file already that is not a list made by data check",
                    hint="name another",
                    where=str(place),
                    code="file.not_a_list",
                )
        write_text(place, text)
    except OSError as error:
        raise EchokitError(
            f"the list cannot be written: {error.strerror}", where=str(place), code="file.not_writable"
        ) from None
    return len(excluded)
