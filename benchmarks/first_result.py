"""The time from installation to the first result: the main job on phantoms, from an empty cache to its report.

    python -m benchmarks.first_result [SEED ...]

The fallback's settings were chosen on the validation set of the phantom.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.timing import machine

WAYS = {"float32, as on a CPU without bfloat16": "float32", "the fastest format of this machine": "auto"}


def measure(
    *, seed: int, repetitions: int = 1, recipe: str = "ef_112", cases: int | None = None, epochs: int | None = None
) -> dict[str, Any]:
    """Measure ``first_result``.

    Args:
        seed: Of the run.
        repetitions: Of each run; the fastest counts.
        recipe: A recipe with a fallback.
        cases: Phantoms instead of the recipe's.
        epochs: Epochs instead of the recipe's.
    """
    found = {
        name: min((_run(recipe, precision, seed, cases, epochs) for _ in range(repetitions)), key=_seconds)
        for name, precision in WAYS.items()
    }
    head = ["number format", "seconds", "CPU seconds", "of these training", "test AUROC", "n", "positive"]
    rows = [
        [name, f"{one['seconds']:.0f}", f"{one['cpu']:.0f}", f"{one['training']:.0f} s", f"{one['auroc']:.3f}",
         str(one["n"]), str(one["events"])]
        for name, one in found.items()
    ]  # fmt: skip
    numbers = {f"seconds: {name}": one["seconds"] for name, one in found.items()}
    numbers |= {f"CPU seconds: {name}": one["cpu"] for name, one in found.items()}
    return {
        "title": "The first result",
        "about": f"PHANTOM DATA. `echokit run {recipe}` with an empty cache, on {machine()}: hearts, preparation, "
        "training, scoring and report. Other work on the machine changes the seconds, and hardly the CPU seconds.",
        "tables": [{"head": head, "rows": rows}],
        "numbers": numbers,
        "ratios": [],
    }


def main() -> None:
    """Run the main job with each seed in float32, and once as fast as this machine can; write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1])
    seeds = parser.parse_args().seeds
    plain, fast = WAYS
    lines = [
        "# PHANTOM DATA: the time to the first result",
        "",
        f"`echokit run ef_112` from an empty cache to its report, on {machine()}.",
        "",
        "| number format | seed | seconds | of these training | CPU seconds | test AUROC | n | positive |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for way, seed in [*((plain, seed) for seed in seeds), (fast, seeds[0])]:
        one = _run("ef_112", WAYS[way], seed, None, None)
        seconds = f"{one['seconds']:.0f} | {one['training']:.0f} | {one['cpu']:.0f}"
        lines.append(f"| {way} | {seed} | {seconds} | {one['auroc']:.3f} | {one['n']} | {one['events']} |")
        print(lines[-1], flush=True)
    (Path(__file__).parent / "results" / "first_result.md").write_text("\n".join(lines) + "\n")


def _seconds(one: dict[str, Any]) -> float:
    return float(one["seconds"])


def _run(recipe: str, precision: str, seed: int, cases: int | None, epochs: int | None) -> dict[str, Any]:
    settings = {"seed": seed, "train.precision": precision, "data.fallback.cases": cases, "train.epochs": epochs}
    given = [part for key, value in settings.items() if value is not None for part in ("--set", f"{key}={value}")]
    with tempfile.TemporaryDirectory(prefix="echokit-bench-") as folder:
        environment = {key: value for key, value in os.environ.items() if key != "ECHONET_DYNAMIC"}
        environment["ECHOKIT_CACHE"] = f"{folder}/cache"
        command = [sys.executable, "-m", "echokit", "run", recipe, "--device", "cpu", "--out", f"{folder}/runs", *given]
        before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env=environment)
        seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
        [made] = [path.parent for path in Path(folder).glob("runs/*/2*/metrics.json")]
        metrics = json.loads((made / "metrics.json").read_text())
        [auroc] = [one for one in metrics if (one["metric"], one["split"]) == ("auroc", "test")]
        history = [json.loads(line) for line in (made / "history.jsonl").read_text().splitlines()]
    return {
        "seconds": seconds,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "training": sum(record["seconds"] for record in history),
        "auroc": auroc["value"],
        "n": auroc["n"],
        "events": auroc["events"],
    }


if __name__ == "__main__":
    main()
