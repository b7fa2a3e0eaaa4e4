"""What the work since an earlier commit costs: the store and a short run, the two commits in turn.

    python -m benchmarks.commits COMMIT [--pairs 200] [--runs 20]

The earlier commit is checked out in a temporary folder and runs with the packages of this one. The parts of the store
are timed in small pieces of CPU time, each commit in a process of its own that waits while the other works. The run is
``quickstart`` with 24 phantoms and one epoch: all that surrounds the training, which is where the commits can differ.
Given are the medians, and the median of the ratios of neighbours, now over before, with its 95 % interval (that of the
sign test).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from scipy.stats import binom

from benchmarks.timing import machine
from echokit.phantom.write_echonet_dynamic import write_phantom

HERE = Path(__file__).parents[1]
RESULTS = HERE / "benchmarks" / "results"
VIDEOS = 48
SHORT = ("--set", "train.epochs=1", "--set", "data.cases=24", "--set", "train.keep=last")
PARTS = ("prepare 1 video", "find 48 prepared clips", "open 48 prepared clips", "read 50 windows")

# Does the part whose number it reads, and prints its CPU seconds. Only names that both commits have.
STORE = """
import itertools, sys, time
from pathlib import Path
import numpy as np
from echokit.data.clips.clip_store import ClipStore, Step
from echokit.data.clips.prepared_clips import PreparedClips
from echokit.data.preprocess.optical_flow import OpticalFlow
from echokit.data.preprocess.resize import Resize

videos, out = Path(sys.argv[1]), Path(sys.argv[2])
sources = [(path.stem, path) for path in sorted(videos.glob("*.avi"))]
steps = (Step("resize", Resize(size=56), False, "56"), Step("flow", OpticalFlow(method="dis"), False, "dis"))
store = ClipStore(out / "store")
assert store.prepare(sources, steps, workers=1).made == len(sources)
paths = sorted((out / "store").rglob("*.safetensors"))
clips = PreparedClips(paths)
rng = np.random.default_rng(0)
number = itertools.count()

def prepare():
    at = next(number)
    assert ClipStore(out / f"other-{at}").prepare([sources[at % len(sources)]], steps, workers=1).made == 1

def read():
    for case in rng.integers(0, len(clips), 50):
        start = int(rng.integers(0, clips.lengths[case] - 31))
        clips.read(int(case), np.arange(start, start + 32))

works = [prepare, lambda: store.prepare(sources, steps, workers=1), lambda: PreparedClips(paths), read]
for line in sys.stdin:
    started = time.process_time()
    works[int(line)]()
    print(time.process_time() - started, flush=True)
"""


def environment(checkout: Path, work: Path) -> dict[str, str]:
    """The variables with which Python finds the source of ``checkout``."""
    return {**os.environ, "PYTHONPATH": str(checkout), "ECHOKIT_CACHE": str(work / "cache"), "OMP_NUM_THREADS": "1"}


@contextmanager
def store_process(checkout: Path, videos: Path, work: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds a store made by ``checkout``."""
    command = [sys.executable, "-c", STORE, str(videos), str(work)]
    with subprocess.Popen(
        command, cwd=work, env=environment(checkout, work), text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def store_seconds(process: subprocess.Popen[str], part: int) -> float:
    """CPU seconds of a part of the store."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{part}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


def run_seconds(checkout: Path, work: Path) -> dict[str, float]:
    """Seconds of a short run, as a user starts it."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "echokit", "run", "quickstart", "--out", str(work / "runs"), *SHORT]
    subprocess.run(command, cwd=work, env=environment(checkout, work), check=True, capture_output=True)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"short run, CPU": used, "short run, from start to end": seconds}


def interval(values: list[float]) -> tuple[float, float]:
    """The 95 % interval of a median, from the order of the values; their whole range if they are few."""
    ordered = sorted(values)
    rank = max(int(binom.ppf(0.025, len(ordered), 0.5)), 1)
    return ordered[rank - 1], ordered[-rank]


def measure(commit: str, folder: Path, pairs: int, runs: int) -> dict[str, list[tuple[float, float]]]:
    """Seconds now and before of each work; the first of each is not counted."""
    videos = folder / "phantom" / "Videos"
    write_phantom(videos.parent, cases=VIDEOS, seed=0, frames=(100, 100))
    earlier = folder / "earlier"
    works = {HERE: folder / "now", earlier: folder / "before"}
    for work in works.values():
        work.mkdir()
    found: dict[str, list[tuple[float, float]]] = {}
    git = ["git", "-C", str(HERE), "worktree"]
    subprocess.run([*git, "add", "--detach", "--quiet", str(earlier), commit], check=True)
    try:
        with store_process(HERE, videos, works[HERE]) as now, store_process(earlier, videos, works[earlier]) as before:
            for part, name in enumerate(PARTS):
                found[name] = [(store_seconds(now, part), store_seconds(before, part)) for _ in range(pairs + 1)]
        several = [[run_seconds(checkout, work) for checkout, work in works.items()] for _ in range(runs + 1)]
        for name in several[0][0]:
            found[name] = [(new[name], old[name]) for new, old in several]
    finally:
        subprocess.run([*git, "remove", "--force", str(earlier)], check=True)
    return {name: values[1:] for name, values in found.items()}


def main() -> None:
    """Measure, print and write ``results/commits.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--runs", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as folder:
        found = measure(given.commit, Path(folder), given.pairs, given.runs)
    head = git_text("log", "-1", "--format=%h")
    lines = [
        f"# PHANTOM DATA: seconds at commit {head} and at {given.commit}",
        "",
        f"{machine()}. Videos of 100 frames; flow and resizing to 56; one process and one thread.",
        "",
        "| work | pairs | now, ms | before, ms | ratio of neighbours, median | 95 % interval |",
        "|---|---|---|---|---|---|",
    ]
    for name, pairs in found.items():
        now, before = (1000 * median(values) for values in zip(*pairs, strict=True))
        ratios = [new / old for new, old in pairs]
        low, high = interval(ratios)
        lines.append(
            f"| {name} | {len(pairs)} | {now:,.1f} | {before:,.1f} | {median(ratios):.3f} | {low:.3f} to {high:.3f} |"
        )
    print("\n".join(lines))
    (RESULTS / "commits.md").write_text("\n".join(lines) + "\n")


def git_text(*arguments: str) -> str:
    """What git prints about this checkout."""
    return subprocess.run(
        ["git", "-C", str(HERE), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    main()
