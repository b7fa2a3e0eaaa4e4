"""A directory in the layout of EchoNet-Dynamic in place of the phantom: nothing but the root changes.

Hearts are written once, small, and a growing number of them is prepared and trained on for one epoch by the recipe
``ef_28``, each number in a process and a store of its own. Time must be a straight line, and memory flat.

    python -m benchmarks.full_layout [--sizes 500 1000 2500 5000 10030]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from echokit.phantom.write_echonet_dynamic import write_phantom
from echokit.system.phantom_mark import STAMP
from echokit.tools.bench.plot import fitted_exponent

# Small videos, so that ten thousand of them are written in minutes.
SIDE, FRAMES = 32, (38, 44)
SETTINGS = {"train.epochs": 1, "train.batch_size": 16, "model.backbone.width": 8}
TRAIN = """
import json, os, resource, sys, time
started = time.perf_counter()
from echokit.cli import exit_code
code = exit_code(sys.argv[2:])
who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
peak = [1024 * resource.getrusage(one).ru_maxrss for one in who]
record = {"seconds": time.perf_counter() - started, "main": peak[0], "worker": peak[1]}
open(sys.argv[1], "w").write(json.dumps(record))
sys.exit(code)
"""


def measure(*, seed: int, sizes: Sequence[int] = (60, 120, 240)) -> dict[str, Any]:
    """The measure ``full_layout``; every size is run once."""
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as name:
        folder = Path(name)
        started = time.perf_counter()
        write_phantom(folder / "all", cases=max(sizes), seed=seed, ef="realistic", size=SIDE, frames=FRAMES)
        written = time.perf_counter() - started
        found = [_one(folder, size) for size in sorted(sizes)]
    amounts = [float(one["videos"]) for one in found]
    exponents = {
        what: fitted_exponent(amounts, [float(one[what]) for one in found]) for what in ("seconds", "main", "worker")
    }
    slope, start = np.polyfit(amounts, [one["seconds"] for one in found], 1)
    seconds = np.array([one["seconds"] for one in found])
    apart = float((np.abs(seconds - (slope * np.array(amounts) + start)) / seconds).max())
    rows = [
        [
            f"{one['videos']:,}",
            f"{one['train']:,} / {one['val']:,} / {one['test']:,}",
            f"{one['seconds']:,.1f}",
            f"{1000 * one['seconds'] / one['videos']:.1f}",
            f"{one['main'] / 2**20:,.0f}",
            f"{one['worker'] / 2**20:,.0f}",
        ]
        for one in found
    ]
    return {
        "title": "A directory of the full layout in place of the phantom",
        "stamp": STAMP,
        "about": (
            f"`ECHONET_DYNAMIC=DIR echokit run ef_28` with {', '.join(f'{k}={v}' for k, v in SETTINGS.items())}: "
            f"generated videos of {SIDE} x {SIDE} pixels and {FRAMES[0]} to {FRAMES[1]} frames in the layout of "
            "EchoNet-Dynamic, decoded, resized to 28 x 28, flow computed, one epoch trained, all three parts scored "
            "and evaluated. Each number in a process and an empty store of its own."
        ),
        "tables": [
            {
                "head": [
                    "videos",
                    "train / val / test",
                    "seconds",
                    "ms a video",
                    "peak memory, MiB",
                    "of a worker, MiB",
                ],
                "rows": rows,
            }
        ],
        "numbers": {f"exponent of {what}": value for what, value in exponents.items() if value is not None},
        "growth": [
            {
                "title": "time",
                "work": "videos",
                "cost": "seconds",
                "series": {"whole run": [(one["videos"], one["seconds"]) for one in found]},
            },
            {
                "title": "peak memory",
                "work": "videos",
                "cost": "MiB",
                "series": {
                    "main process": [(one["videos"], one["main"] / 2**20) for one in found],
                    "a worker": [(one["videos"], one["worker"] / 2**20) for one in found],
                },
            },
        ],
        "notes": [
            f"Fitted line: {start:.1f} s + {1000 * slope:.2f} ms a video; no point is more than {apart:.0%} off.",
            f"Exponents: time {exponents['seconds']:.2f}, memory {exponents['main']:.2f} (0 is flat).",
            f"Writing the {max(sizes):,} videos took {written:,.0f} s.",
        ],
    }


def _one(folder: Path, size: int) -> dict[str, Any]:
    """Run the recipe on the first videos of each part, as many in all as asked for, in the proportion of the whole."""
    import pandas as pd

    root = folder / f"first-{size}"
    (root / "Videos").mkdir(parents=True)
    table = pd.read_csv(folder / "all" / "FileList.csv", dtype=str)
    share = size / len(table)
    parts = [part.head(round(share * len(part))) for _, part in table.groupby("Split", sort=False)]
    chosen = pd.concat(parts).sort_index()
    chosen.to_csv(root / "FileList.csv", index=False)
    shutil.copy(folder / "all" / "PHANTOM_DATA.json", root)
    shutil.copy(folder / "all" / "VolumeTracings.csv", root)
    for name in chosen["FileName"]:
        os.link(folder / "all" / "Videos" / f"{name}.avi", root / "Videos" / f"{name}.avi")
    record = folder / f"record-{size}.json"
    sets = [argument for key, value in SETTINGS.items() for argument in ("--set", f"{key}={value}")]
    command = [sys.executable, "-c", TRAIN, str(record), "run", "ef_28", "--out", str(folder / "runs"), *sets]
    environment = {**os.environ, "ECHONET_DYNAMIC": str(root), "ECHOKIT_CACHE": str(folder / f"cache-{size}")}
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    shutil.rmtree(folder / f"cache-{size}")
    counts = chosen["Split"].str.lower().value_counts()
    return {"videos": len(chosen), **{split: int(counts[split]) for split in ("train", "val", "test")}} | json.loads(
        record.read_text(encoding="utf-8")
    )


def main() -> None:
    """Measure, and print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2500, 5000, 10030])
    print(json.dumps(measure(seed=0, sizes=parser.parse_args().sizes), indent=2))


if __name__ == "__main__":
    main()
