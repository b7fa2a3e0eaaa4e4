"""How soon ``echokit --help`` answers, beside the time that only importing torch takes."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.timing import interleaved, process, ratio


def measure(*, seed: int, repetitions: int = 5) -> dict[str, Any]:
    """The measure ``start_up``."""
    ways = {
        "echokit --help": process([sys.executable, "-m", "echokit", "--help"]),
        "echokit list": process([sys.executable, "-m", "echokit", "list"]),
        "echokit validate quickstart": process([sys.executable, "-m", "echokit", "validate", "quickstart"]),
        "python -c 'import torch'": process([sys.executable, "-c", "import torch"]),
        "python -c pass": process([sys.executable, "-c", "pass"]),
    }
    found = interleaved(ways, repetitions)
    return {
        "title": "Start-up",
        "about": "A command that needs no model answers before torch would be there.",
        "tables": [{"head": ["command", "seconds"], "rows": [[name, f"{value:.3f}"] for name, value in found.items()]}],
        "numbers": {f"seconds: {name}": value for name, value in found.items()},
        "ratios": [
            ratio(
                "`echokit --help`",
                "a command line that imports torch first",
                ours=found["echokit --help"],
                usual=found["python -c 'import torch'"],
                note="asked: 0.3 s",
            )
        ],
    }
