"""Session: what was requested of one run, and the device and processes that compute it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.pipeline.named_callback import check_callbacks
from echokit.recipe.recipe import Recipe
from echokit.results.lock import Lock
from echokit.results.run import Run
from echokit.system.progress import Silent, display, show_progress_on
from echokit.system.worker_pool import exit_if_worker

if TYPE_CHECKING:
    import torch

    from echokit.training.callback import Audience
    from echokit.training.hardware.distributed import Processes


@dataclass(frozen=True)
class RunRequest:
    """What to run, where and how.

    Attributes:
        recipe: The recipe.
        out: Folder of all run directories.
        device: ``auto``, ``cpu`` or ``cuda``.
        lock: A lock to repeat. Its data must be the same; other differences are reported.
        resume: A run of the same recipe to continue.
        only_fold: Train this fold only. Such a run is not evaluated.
        callback: Notified of training steps and epochs.
    """

    recipe: Recipe
    out: Path = Path("runs")
    device: str = "auto"
    lock: Lock | None = None
    resume: Run | None = None
    only_fold: int | None = None
    callback: Audience | None = None


@dataclass(frozen=True)
class Session:
    """The device and the processes of one run.

    Attributes:
        request: What to run.
        device: Where this process computes.
        distributed: All processes that train together; usually one.
        threads: CPU threads of this process.
    """

    request: RunRequest
    device: torch.device
    distributed: Processes
    threads: int

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and prints."""
        return self.distributed.is_main

    @contextmanager
    def main_process_first(self) -> Iterator[None]:
        """Run the block in the main process first, then in the others."""
        with show_progress_on(display() if self.is_main else Silent()), self.distributed.main_process_first():
            yield

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.distributed.wait()

    def warn(self, messages: Iterable[str]) -> None:
        """Show messages, once for all processes."""
        for message in messages:
            if self.is_main:
                display().show_message(message)


def start_session(request: RunRequest) -> Session:
    """Choose the device and join the processes that a launcher has started.

    Raises:
        EchokitError: The device, what a callback needs, or a process of the launcher is missing.
    """
    exit_if_worker()
    from echokit.training.hardware.device import choose_device, fix_threads
    from echokit.training.hardware.distributed import init_distributed

    check_callbacks(request.recipe)
    threads = fix_threads()
    distributed, device = init_distributed(choose_device(request.device))
    return Session(request, device, distributed, threads)
