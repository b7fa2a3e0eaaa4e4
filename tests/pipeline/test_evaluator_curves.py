"""The curve of a plugin's evaluator on the page of a run and in a notebook."""

import shutil
from pathlib import Path

import pytest

from echokit import EchokitError, Evaluation, Run
from echokit.evaluation.evaluate_folds import evaluate_folds
from echokit.evaluation.files.metric_files import write_curves
from echokit.results.page.page_content import PageSettings, predictions_of
from echokit.results.page.write_page import write_page
from echokit.system.checksums import add_checksums
from tests.results.page.test_evaluator_curves import Drawing


def test_the_page_and_the_notebook_draw_it(two_folds: Run, tmp_path: Path) -> None:
    shutil.copytree(two_folds.path, tmp_path / "run")
    run = Run(tmp_path / "run")
    own = evaluate_folds(predictions_of(run), [("lab:draws", Drawing())], seed=0).curves
    built_in = {name: curve for name, curve in run.curves.items() if name != "stamp"}
    write_curves(Evaluation((), {**built_in, **own}), run.path / "curves.json", stamp="PHANTOM DATA")
    add_checksums(run.path, ["curves.json"])
    run = Run(tmp_path / "run")
    page = write_page(run, PageSettings()).read_text(encoding="utf-8")
    chart = page[page.index('aria-label="Referral, test set') :]
    chart = chart[: chart.index("</figure>")]
    assert chart.count("fold 0") == chart.count("fold 1") == 1
    test = run.predictions[run.predictions["split"] == "test"].drop_duplicates("patient_id")
    assert f"n {len(test)}, {test['y_true'].sum()} positive. Computed by the plugin lab." in chart
    assert run.figure("lab:referral").get_label() == "Referral, test set"
    with pytest.raises(EchokitError) as caught:
        run.figure("lab:refferal")
    assert "lab:referral" in str(caught.value.hint)
