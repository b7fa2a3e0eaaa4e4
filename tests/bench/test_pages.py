"""The README and the documentation show the recorded results, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.pages import PAGES, results_on_the_phantom, written


@pytest.mark.parametrize(("place", "text"), PAGES.items(), ids=[place.name for place in PAGES])
def test_a_page_shows_what_is_recorded(place: Path, text: Callable[[], str]) -> None:
    page = place.read_text(encoding="utf-8")
    assert written(page, text()) == page


def test_results_of_phantoms_say_so_first() -> None:
    assert results_on_the_phantom().startswith("**PHANTOM DATA**")
