"""The Python on the getting-started page does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from echokit.phantom.write_echonet_dynamic import write_phantom

pytestmark = pytest.mark.slow
PAGE = Path(__file__).parents[2] / "docs" / "get-started.md"


def test_get_started_from_python(tmp_path: Path) -> None:
    [block] = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.S | re.M)
    (tmp_path / "page.py").write_text(block, encoding="utf-8")
    write_phantom(tmp_path / "hearts", cases=6)
    environment = {**os.environ, "ECHOKIT_CACHE": str(tmp_path / "cache")}
    environment.pop("ECHONET_DYNAMIC", None)
    done = subprocess.run([sys.executable, "page.py"], cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "auroc" in done.stdout
    assert (tmp_path / "runs" / "compare" / "first-second.html").is_file()
    assert len(list((tmp_path / "masked-from-python").glob("*.avi"))) == 6
