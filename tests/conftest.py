"""Shared real files: a small phantom in EchoNet-Dynamic's layout, and a recipe that is trained in seconds."""

import signal
from pathlib import Path

import pytest

TINY = """
name: tiny
data: {{use: echonet_dynamic, root: {root}}}
target: {{from: ef, positive: reduced, below: 50}}
preprocess: [{{use: trim, frames: 12}}, {{use: resize, size: 16}}, optical_flow]
clip: {{frames: 12}}
model: {{use: two_stream, backbone: {{use: resnet18, width: 4}}}}
train: {{epochs: 2, batch_size: 4, optimizer: {{lr: 1.0e-3}}, keep: best_val_auroc}}
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep prepared clips and keys of tests out of the working directory."""
    monkeypatch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.delenv("ECHONET_DYNAMIC", raising=False)


@pytest.fixture(scope="session", autouse=True)
def _interruptible() -> None:
    """A shell that runs the suite in the background has Ctrl-C ignored, nohup a closed terminal; runs inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty-four phantom hearts in the layout of EchoNet-Dynamic."""
    from echokit.phantom.write_echonet_dynamic import write_phantom

    root = tmp_path_factory.mktemp("phantom") / "hearts"
    write_phantom(root, cases=24, seed=3, ef="wide", frames=(20, 24), workers=1)
    return root


@pytest.fixture
def tiny(phantom: Path, tmp_path: Path) -> Path:
    """A recipe over the phantom that runs in seconds."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(root=phantom))
    return path
