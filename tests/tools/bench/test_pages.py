"""The README and the documentation show the recorded results, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.pages import PAGES, results_on_the_phantom, written


@pytest.mark.parametrize(("path", "text"), PAGES.items(), ids=[path.name for path in PAGES])
def test_a_page_shows_the_recorded_results(path: Path, text: Callable[[], str]) -> None:
    page = path.read_text(encoding="utf-8")
    assert written(page, text()) == page


def test_phantom_results_are_marked_first() -> None:
    assert results_on_the_phantom().startswith("**PHANTOM DATA**")
