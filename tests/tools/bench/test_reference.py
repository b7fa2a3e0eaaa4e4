"""The published tables follow from the published folds, with notes on what they support."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from echokit.cli import exit_code
from echokit.tools.bench.suite import reference_folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("reference")
    assert exit_code(["bench", "reference", "--out", str(out)]) == 0
    content = json.loads((out / "tiny" / "reference-tiny.json").read_text())
    assert [row["problem"] for row in content["rows"]] == [None, None]
    assert content["data"] is None  # published results are not from a phantom
    return (out / "tiny" / "reference-tiny.md").read_text()


def test_stage_2_follows_from_its_folds(text: str) -> None:
    lines = [" ".join(line.split()) for line in text.splitlines()]
    for row in pd.read_csv(reference_folder() / "stage2_published.csv").itertuples():
        line = next(line for line in lines if line.startswith(f"| {row.k} |"))
        for value, sd in (
            (row.test_accuracy, row.test_accuracy_sd),
            (row.train_accuracy, row.train_accuracy_sd),
            (row.test_auroc, row.test_auroc_sd),
            (row.test_auprc, row.test_auprc_sd),
        ):
            assert f"{value:.3f} ± {sd:.3f}" in line
    assert "0.700 ± 0.173" in text


def note(text: str, start: str) -> list[float]:
    """The numbers in the note that starts with a text."""
    [line] = [line for line in text.splitlines() if line.startswith(f"- {start}")]
    return [float(number) for number in re.findall(r"\d+(?:\.\d+)?", line)]


def test_notes_state_what_the_tables_do_not_support(text: str) -> None:
    assert note(text, "2 folds")[:4] == [2, 0.794, 0, 7]  # folds, accuracy, detected deaths, deaths
    assert note(text, "The row with the best AUROC") == [5, 0.76, 2, 7, 1, 1, 1, 0.8, 0]
    assert note(text, "It was chosen among")[-1] == 0.83  # the median of the best of 100 coin flips
    assert note(text, "Always predicting 'normal'") == [0.777]


def test_every_published_table_has_a_source() -> None:
    about = Path(reference_folder() / "README.md").read_text()
    assert all(f"`{path.name}`" in about for path in reference_folder().glob("*.csv"))
