"""The README shows the recorded results, and nothing else."""

from __future__ import annotations

from benchmarks.readme import README, section, written


def test_the_readme_shows_what_is_recorded() -> None:
    page = README.read_text(encoding="utf-8")
    text = section()
    assert text.startswith("**PHANTOM DATA**")
    assert written(page, text) == page
