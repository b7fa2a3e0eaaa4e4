"""A campaign tries many damaged or hostile inputs and counts those that were handled wrongly."""

from collections.abc import Iterator
from contextlib import contextmanager


class Campaign:
    """Count what was tried and what failed.

    Args:
        kind: What is damaged or hostile, in a few words ("damaged videos").
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.tried = 0
        self.failures: list[str] = []

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Try one input. An exception inside, a failed assertion included, is one failure."""
        self.tried += 1
        try:
            yield
        except Exception as error:
            self.failures.append(f"{name}: {type(error).__name__}: {str(error).strip()[:300]}")

    def finish(self, at_least: int) -> None:
        """Print the counts and every failure, and fail if there was one or if too little was tried."""
        worst = self.failures[0] if self.failures else "none"
        print(f"\n{self.kind}: {self.tried} tried, {len(self.failures)} failed, worst case: {worst}")
        assert not self.failures, "\n".join(self.failures)
        assert self.tried >= at_least
