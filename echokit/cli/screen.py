"""Progress on standard error: bars on a terminal, plain lines in a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from echokit.system.progress import Advance
from echokit.system.terminal_text import printable

if TYPE_CHECKING:
    from echokit.training.callback import StepProgress

LINES_PER_TASK = 4
SECONDS_PER_LINE = 30.0
FAST = 0.1
"""Seconds; of epochs that are shorter (heads on features) one line a second is printed, as a run has thousands."""


class Screen:
    """Progress of tasks and of training: a display and a training callback."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.live = self.console.is_terminal
        self._progress: Progress | None = None
        self._training: TaskID | None = None
        self._last_line = 0.0
        self._last_epoch = 0.0
        self._first_step: tuple[int, float] | None = None
        self._done = 0

    def show_message(self, text: str) -> None:
        """Print one line."""
        self.console.print(printable(text), markup=False)

    on_warning = show_message

    def show_files(self, files: Iterable[tuple[str, Path]]) -> None:
        """Print which file each case is, on a terminal only.

        A path may identify a patient.
        """
        if self.live:
            for case_id, path in files:
                self.show_message(f"{case_id} is {path}")

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Show the progress of a task with ``total`` steps."""
        if self.live:
            with self._bars() as progress:
                bar = progress.add_task(title, total=total)
                yield lambda count: progress.advance(bar, count)
            return
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            before, done = done, done + count
            if done * LINES_PER_TASK // max(total, 1) > before * LINES_PER_TASK // max(total, 1):
                self.show_message(f"{title}: {done}/{total}")

        yield advance

    def _bars(self) -> Progress:
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )

    @contextmanager
    def training(self) -> Iterator[None]:
        """Show a progress bar for training inside this block."""
        if not self.live:
            yield
            return
        with self._bars() as progress:
            self._progress = progress
            try:
                yield
            finally:
                self._progress = self._training = None

    def on_step_end(self, progress: StepProgress) -> None:
        """Show the position of the training."""
        done, total = (progress.epoch - 1) * progress.steps + progress.step, progress.epochs * progress.steps
        now = time.monotonic()
        if self._first_step is None or done <= self._done:  # of the run, or of a further fold
            self._first_step = (done, now)
        self._done = done
        text = (
            f"epoch {progress.epoch}/{progress.epochs}  step {progress.step}/{progress.steps}  "
            f"loss {progress.loss:.4f}  {progress.clips_per_second:.2f} clips/s"
        )
        if self._progress is not None:
            if self._training is None:
                self._training = self._progress.add_task(text, total=total)
            self._progress.update(self._training, description=text, completed=done)
        elif not self.live and now - self._last_line > SECONDS_PER_LINE:
            self._last_line = now
            first, since = self._first_step
            left = (total - done) * (now - since) / (done - first) if done > first else None
            self.show_message(text if left is None else f"{text}  {left / 60:.1f} min left of this training")

    def on_epoch_end(self, record: Mapping[str, Any]) -> None:
        """Show the record of an epoch."""
        now = time.monotonic()
        if record["seconds"] < FAST and now - self._last_epoch < 1:
            return
        self._last_epoch = now

        def number(key: str) -> str:
            value = record.get(key)
            return "undefined" if value is None else f"{value:.3f}"

        parts = [f"loss {number('train_loss')}, accuracy {number('train_accuracy')}"]
        validated = [key for key in record if key.startswith("val_")]
        if any(record[key] is not None for key in validated):  # there is such a part
            names = {"auroc": "AUROC"}
            said = [f"{names.get(key[4:], key[4:])} {number(key)}" for key in validated]
            parts.append(f"validation {', '.join(said)}")
        parts.append(f"{number('clips_per_second')} clips/s")
        self.show_message(f"fold {record['fold']} epoch {record['epoch']}: {'; '.join(parts)}")
