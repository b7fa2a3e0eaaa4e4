"""The published tables follow from the published folds, and stand beside plain words."""

import json
from pathlib import Path

import pandas as pd
import pytest

from echokit.bench.suite import reference_folder
from echokit.cli import exit_code


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("reference")
    assert exit_code(["bench", "reference", "--out", str(out)]) == 0
    content = json.loads((out / "tiny" / "reference-tiny.json").read_text())
    assert [row["problem"] for row in content["rows"]] == [None, None]
    assert content["data"] is None  # published numbers are no phantom's
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


def test_what_the_tables_do_not_support_is_said(text: str) -> None:
    assert "2 folds: accuracy 0.794 is exactly that: nobody was called" in text
    assert "finds 2 of 7 deaths; its folds score 1, 1, 1, 0.8, 0." in text
    assert "median fold-mean AUROC of 0.83" in text
    assert "Always answering 'normal' is right for 0.777" in text


def test_every_published_table_says_where_it_is_from() -> None:
    about = Path(reference_folder() / "README.md").read_text()
    assert all(f"`{path.name}`" in about for path in reference_folder().glob("*.csv"))
