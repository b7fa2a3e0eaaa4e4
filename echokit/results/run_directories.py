"""The directories of runs: making a new one, finding an old one."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from echokit.errors import EchokitError
from echokit.results.run import SUMMARY, Run
from echokit.system.files import atomic_file
from echokit.system.progress import display


def runs_folder(run: Run) -> Path:
    """Return the folder with all runs: ``OUT`` of ``OUT/NAME/STAMP``."""
    return run.path.parent.parent


def create_run(out: Path, name: str) -> Run:
    """Create the directory ``out/name/STAMP`` and the link ``out/name/latest`` to it.

    Raises:
        EchokitError: The folder cannot be written.
    """
    parent = out / name
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            path = parent / (stamp if not attempt else f"{stamp}-{attempt}")
            try:
                path.mkdir()
                break
            except FileExistsError:
                continue
        _link_latest(path)
    except OSError as error:
        raise EchokitError(
            f"the run directory cannot be written: {error.strerror}", where=str(out), code="run.not_writable"
        ) from None
    return Run(path)


def _link_latest(path: Path) -> None:
    """Let ``latest`` lead to a run.

    It is a symbolic link, and on Windows a junction, which needs no special right.
    """
    latest = path.with_name("latest")
    if sys.platform == "win32":
        import _winapi

        with suppress(FileNotFoundError):
            latest.rmdir()
        _winapi.CreateJunction(str(path.absolute()), str(latest))
        return
    with atomic_file(latest, durable=False) as link:
        link.symlink_to(path.name)


def find_run(name: str, out: Path = Path("runs")) -> Run:
    """Find a run by its directory, or the newest of a name under ``out``.

    Raises:
        EchokitError: There is no run there.
    """
    for candidate in (Path(name).expanduser(), out / name, out / name / "latest"):
        if (candidate / "lock.yaml").is_file():
            return Run(candidate.resolve() if candidate.name == "latest" else candidate)
        if (candidate / "latest" / "lock.yaml").is_file():
            return Run((candidate / "latest").resolve())
    names = sorted(path.parent.name for path in out.glob("*/latest"))
    raise EchokitError(
        f"there is no run {name!r}",
        hint=f"give a run directory (it has a lock.yaml), or one of {', '.join(names)}"
        if names
        else "give a run directory: it has a lock.yaml",
        where=str(out),
        code="run.not_found",
    )


def find_finished(name: str, out: Path = Path("runs")) -> Run:
    """Find a run as ``find_run`` does, but the newest finished one of a name.

    If that is not the newest run of the name, a message is shown.

    Raises:
        EchokitError: There is no run there.
    """
    run = find_run(name, out)
    if run.complete or Path(name).expanduser().resolve() == run.path.resolve():
        return run
    finished = sorted(path.parent for path in run.path.parent.glob(f"2*/{SUMMARY}") if Run(path.parent).complete)
    if not finished:
        return run
    display().show_message(
        f"the newest run of {run.path.parent.name}, {run.path.name}, did not finish: taking {finished[-1].name}"
    )
    return Run(finished[-1])
