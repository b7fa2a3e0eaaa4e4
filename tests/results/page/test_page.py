"""report.html of a small run: its content, what it must never contain, and failures that do not cost the run."""

import base64
import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from echokit import load_run
from echokit.cli import exit_code
from echokit.evaluation.evaluation import Metric
from echokit.evaluation.predictions import Predictions
from echokit.evaluation.statistics.wilson import wilson
from echokit.results.headline import headline
from echokit.results.page.cards import cards
from echokit.results.page.operating_point import added_metrics
from echokit.results.page.page_content import PageSettings, content, predictions_of, verdicts
from echokit.results.run import Run, read_notes
from tests.conftest import TINY
from tests.expect import command_error
from tests.seal import reseal


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, phantom: Path) -> Run:
    """A run of one fold with a mask; only read by the tests."""
    folder = tmp_path_factory.mktemp("page")
    text = TINY.format(root=phantom).replace("[{use: trim, frames: 12}", "[{use: trim, frames: 12}, random_mask")
    (folder / "tiny.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ECHOKIT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        assert exit_code(["run", str(folder / "tiny.yaml"), "--out", str(folder / "runs")]) == 0
    return load_run(folder / "runs" / "tiny")


def page_of(run: Run) -> str:
    return (run.path / "report.html").read_text(encoding="utf-8")


def test_the_page_shows_the_results_of_the_run(finished: Run) -> None:
    page = page_of(finished)
    assert "PHANTOM DATA" in page
    for metric in ("auroc", "accuracy"):
        assert f">{finished.metric(metric).value:.2f}<" in page
    assert '<div class="cautions">' in page
    assert page.count('role="img"') >= 5
    assert 4 <= page.count("data:image/webp") // 2 <= 8  # a loop and a still of each shown case
    assert len(page) < 5 * 2**20
    lock = re.search(r'href="data:text/yaml;base64,([^"]+)"', page)
    assert lock is not None
    assert base64.b64decode(lock[1]) == (finished.path / "lock.yaml").read_bytes()


def test_the_page_begins_with_the_rates_that_a_cardiologist_needs(finished: Run) -> None:
    """The recipe evaluates none of them: they come from the same evaluators, on predictions.csv."""
    assert not {metric.metric for metric in finished.metrics} & {"sensitivity", "specificity", "ppv", "npv"}
    shown = content(finished, PageSettings())["cards"]
    assert [card.title for card in shown][:5] == ["AUROC", "Sensitivity", "Specificity", "PPV", "NPV"]
    test = finished.predictions[finished.predictions["split"] == "test"]
    positive, right = test["y_true"] == 1, (test["y_score"] >= 0.5) == test["y_true"]
    ends = wilson(int(right[positive].sum()), int(positive.sum()), 0.95)
    sensitivity = shown[1]
    assert sensitivity.value == f"{right[positive].mean():.2f}"
    assert sensitivity.interval == f"95 % CI {ends.low:.2f} to {ends.high:.2f}"
    assert sensitivity.baseline == f"baseline {(test['y_score'] >= 0.5).mean():.2f}"
    assert sensitivity.patients == f"n {len(test)}, {positive.sum()} positive"
    assert sensitivity.words.startswith(f"{right[positive].sum()} of {positive.sum()} ")
    assert "predictions.csv" in sensitivity.definition


def test_rates_that_the_run_has_are_not_computed_again(finished: Run) -> None:
    predictions = predictions_of(finished)
    added = added_metrics(finished.metrics, predictions, finished.lock.recipe)
    assert [metric.metric for metric in added] == ["sensitivity", "specificity", "ppv", "npv"]
    assert added_metrics([*finished.metrics, *added], predictions, finished.lock.recipe) == []


def test_rates_of_folds_are_pooled_with_an_interval(finished: Run) -> None:
    table = finished.predictions.assign(fold=np.arange(len(finished.predictions)) % 2)
    table = table.assign(split="test", y_true=np.arange(len(table)) % 4 // 2)
    added = added_metrics([], Predictions(table, "reduced"), finished.lock.recipe)
    first = headline(added, "test")
    assert [metric.metric for metric in first][:3] == ["auroc_within_fold", "sensitivity_pooled", "specificity_pooled"]
    assert all(metric.fold is None and metric.low is not None for metric in first)
    assert [card.title for card in cards(first, None)][:2] == ["AUROC within folds", "Sensitivity"]


def test_every_shown_case_has_its_ef(finished: Run) -> None:
    efs = finished.cohort.set_index("case_id")["ef"]
    shown = re.findall(r"<code>(\w+)</code><br><strong>(?:not )?reduced</strong>, EF (\d+) %<br>", page_of(finished))
    assert shown
    assert shown == [(case, f"{efs[case]:.0f}") for case, _ in shown]


def test_quantities_have_their_units(finished: Run) -> None:
    page = page_of(finished)
    for name in ("EF (%)", "ESV (mL)", "EDV (mL)"):
        assert f'<th scope="row">{name}, mean (SD)' in page
    assert "(EF &lt; 50 %)" in page


def test_calibration_is_drawn_or_explained(finished: Run) -> None:
    page = page_of(finished)
    assert "Calibration, test set" not in page
    assert "Calibration is not drawn: it needs 100 patients of each class" in page


def test_the_page_is_self_contained(finished: Run) -> None:
    page = page_of(finished)
    assert not re.search(r'(?:src|href|srcset)="(?!data:|#)', page)
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_the_scores_behind_the_slider_are_the_test_patients(finished: Run) -> None:
    script = re.search(r"const DATA = (\{.*?\});", page_of(finished))
    assert script is not None
    data = json.loads(script[1])
    table = finished.predictions[finished.predictions["split"] == "test"]
    assert data["scores"] == pytest.approx(sorted(table["y_score"]), abs=1e-6)
    assert sum(data["y"]) == table["y_true"].sum()
    assert data["locked"] == 0.5


@pytest.mark.parametrize(("thresholds", "locked"), [((0.4, 0.4), 0.4), ((0.4, 0.6), None), ((None, None), None)])
def test_a_threshold_is_locked_only_if_all_folds_share_it(
    tmp_path: Path, thresholds: tuple[float | None, ...], locked: float | None
) -> None:
    folds = [
        replace(metric("accuracy", 0.8, None, None, 17, 4), fold=fold, threshold=threshold)
        for fold, threshold in enumerate(thresholds)
    ]
    other = replace(metric("sensitivity", 0.8, None, None, 17, 4), threshold=0.1)
    (tmp_path / "metrics.json").write_text(json.dumps([asdict(one) for one in (other, *folds)]))
    assert Run(reseal(tmp_path, "metrics.json")).called_from == (locked if thresholds[0] is not None else 0.1)


def test_the_page_has_no_paths_and_no_frames_of_patients(finished: Run, tmp_path: Path, phantom: Path) -> None:
    page = page_of(finished)
    assert str(phantom) not in page
    real = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "run")
    for name in ("lock.yaml", "predictions.csv", "cohort.csv"):
        text = (real / name).read_text()
        (real / name).write_text(text.replace("phantom: true", "phantom: false").replace("# PHANTOM DATA", "#"))
    reseal(real)
    assert exit_code(["report", str(real)]) == 0
    page = (real / "report.html").read_text()
    assert "data:image/webp" not in page
    assert "DO NOT SHARE" not in page


def test_frames_of_patients_only_on_request_and_with_a_banner(finished: Run, tmp_path: Path) -> None:
    hearts = tmp_path / "hearts"
    shutil.copytree(finished.lock.recipe.data.params["root"], hearts)
    (hearts / "PHANTOM_DATA.json").unlink()
    bare = TINY.format(root=hearts) + "report: {cases: 1}\n"
    (tmp_path / "bare.yaml").write_text(bare.replace("name: tiny", "name: bare"))
    assert exit_code(["run", str(tmp_path / "bare.yaml"), "--out", str(tmp_path / "runs")]) == 0
    assert command_error(["report", "bare", "--out", str(tmp_path / "runs"), "--frames"]).code == "report.no_mask"
    (tmp_path / "tiny.yaml").write_text(
        bare.replace("[{use: trim, frames: 12}", "[{use: trim, frames: 12}, motion_mask")
    )
    assert exit_code(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "runs")]) == 0
    run = load_run(tmp_path / "runs" / "tiny")
    assert "data:image/webp" not in page_of(run)
    assert exit_code(["report", str(run.path), "--frames"]) == 0
    assert "DO NOT SHARE" in page_of(run)
    assert "data:image/webp" in page_of(run)
    shutil.rmtree(hearts)
    assert exit_code(["report", str(run.path), "--frames"]) == 2
    assert exit_code(["report", str(run.path)]) == 0


def test_one_patient_among_phantoms_hides_all_frames(phantom: Path, tmp_path: Path) -> None:
    shutil.copytree(phantom, tmp_path / "hearts")
    names = [path.name for path in sorted((tmp_path / "hearts" / "Videos").glob("*.avi"))]
    shutil.copy(tmp_path / "hearts" / "Videos" / names[0], tmp_path / "patient.avi")
    lines = [f"hearts/Videos/{name},{number % 2}" for number, name in enumerate(names[1:])]
    (tmp_path / "cases.csv").write_text("source,target\n" + "\n".join([*lines, "patient.avi,0"]) + "\n")
    recipe = TINY.format(root=phantom).replace("echonet_dynamic, root", "table, table") + "report: {cases: 1}\n"
    recipe = recipe.replace(str(phantom), str(tmp_path / "cases.csv")).replace("keep: best_val_auroc", "keep: last")
    recipe = recipe.replace("{from: ef, positive: reduced, below: 50}", "{from: target, positive: ill}")
    (tmp_path / "tiny.yaml").write_text(recipe + "resample: {use: kfold, k: 2}\n")
    assert exit_code(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "runs")]) == 0
    run = load_run(tmp_path / "runs" / "tiny")
    assert run.lock.phantom
    assert "data:image/webp" not in page_of(run)
    assert exit_code(["report", str(run.path)]) == 0
    assert "data:image/webp" not in page_of(run)
    assert command_error(["report", str(run.path), "--frames"]).code == "report.no_mask"


def test_sections_of_plugins_are_in_the_page(finished: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "run"))
    sections = [{"title": "In my clinic", "text": "| prevalence | PPV |\n|---|---|\n| 0.1 | 0.3 |"}]
    (run.path / "sections.json").write_text(json.dumps(sections))
    reseal(run.path, "sections.json")
    assert exit_code(["report", str(run.path)]) == 0
    assert "<h2>In my clinic</h2>" in page_of(run)
    assert '<th scope="col">PPV</th>' in page_of(run)


def test_a_hostile_name_stays_text(finished: Run, tmp_path: Path) -> None:
    run = Run(shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "run"))
    cohort = pd.read_csv(run.path / "cohort.csv")
    cohort["site"] = np.where(np.arange(len(cohort)) % 2, "</script><script>alert(1)</script>", "b")
    cohort.to_csv(run.path / "cohort.csv", index=False)
    reseal(run.path)
    assert exit_code(["report", str(run.path)]) == 0
    assert "<script>alert(1)" not in page_of(run)
    assert "&lt;script&gt;alert(1)" in page_of(run)


def test_a_report_that_fails_costs_no_run(
    tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> Path:
        raise ValueError("a defect of the page")

    monkeypatch.setattr("echokit.pipeline.write_report.write_report", broken)
    (tmp_path / "tiny.yaml").write_text(TINY.format(root=phantom))
    assert exit_code(["run", str(tmp_path / "tiny.yaml"), "--out", str(tmp_path / "runs")]) == 0
    run = load_run(tmp_path / "runs" / "tiny")
    assert run.complete
    assert not (run.path / "report.html").exists()
    assert "ValueError: a defect of the page" in capfd.readouterr().err


def test_the_keys_of_the_report_are_validated(tmp_path: Path, phantom: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY.format(root=phantom) + "report: {page: false}\n")
    assert exit_code(["validate", str(tmp_path / "tiny.yaml")]) == 0
    (tmp_path / "bad.yaml").write_text(TINY.format(root=phantom) + "report: {pages: false, cases: -1}\n")
    assert exit_code(["validate", str(tmp_path / "bad.yaml")]) == 2


def metric(name: str, value: float | None, low: float | None, high: float | None, n: int, events: int) -> Metric:
    base = 0.5 if name == "auroc" else max(events, n - events) / n
    return Metric(
        metric=name, definition="", value=value, n=n, events=events, baseline=base, split="test", repeat=0, fold=0,
        low=low, high=high, level=0.95,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("auroc", "accuracy", "n", "events", "signs"),
    [
        ((0.9, 0.85, 0.95), (0.9, 0.85, 0.94), 1000, 300, ["yes", "yes", "yes"]),
        ((0.9, 0.85, 0.95), (0.9, 0.85, 0.94), 120, 40, ["yes", "yes", "part"]),
        ((0.6, 0.45, 0.75), (0.8, 0.6, 0.9), 34, 7, ["no", "open", "no"]),
        ((None, None, None), (0.7, 0.5, 0.8), 34, 7, ["open", "no", "no"]),
    ],
)
def test_plain_answers_have_a_sign(
    auroc: tuple[float | None, ...], accuracy: tuple[float, ...], n: int, events: int, signs: list[str]
) -> None:
    metrics = [metric("auroc", *auroc, n, events), metric("accuracy", *accuracy, n, events)]  # type: ignore[arg-type]
    assert [sign for sign, _, _ in verdicts(metrics, "test")] == signs


@pytest.mark.parametrize(
    ("value", "p", "sign"), [(0.8, 0.04, "yes"), (0.8, 0.06, "open"), (0.7, 0.001, "no"), (0.6, 0.001, "no")]
)
def test_the_paired_test_answers_and_not_the_interval(value: float, p: float, sign: str) -> None:
    accuracy = replace(metric("accuracy", value, 0.6, 0.9, 100, 30), p=p, p_method="McNemar, exact")
    answers = verdicts([accuracy], "test")
    assert answers[0][0] == sign
    assert ("McNemar" in answers[0][2]) is (sign != "no")


def test_excluded_cases_are_in_the_flow_of_videos(finished: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "runs" / "tiny" / "listed")
    lock = (copy / "lock.yaml").read_text()
    assert "excluded: 0" in lock
    assert "(data.exclude)" not in page_of(finished)
    (copy / "lock.yaml").write_text(lock.replace("excluded: 0", "excluded: 3"))
    reseal(copy)
    assert exit_code(["report", str(copy)]) == 0
    page = (copy / "report.html").read_text()
    assert "27 videos in the data" in page
    assert re.search(r">3 [^<]*\(data.exclude\)", page)


@pytest.mark.parametrize("command", ["report", "compare"])
@pytest.mark.parametrize("name", ["metrics.json", "curves.json", "history.jsonl", "predictions.csv"])
@pytest.mark.parametrize("damage", ["cut", "nothing", "text"])
def test_a_damaged_file_of_a_run_is_named(finished: Run, tmp_path: Path, command: str, name: str, damage: str) -> None:
    if command == "compare" and name == "history.jsonl":
        pytest.skip("a comparison shows no epochs")
    if (name, damage) == ("history.jsonl", "nothing"):
        pytest.skip("no epoch is a history, too")
    copy = tmp_path / "copy"
    shutil.copytree(finished.path, copy)
    whole = (copy / name).read_bytes()
    (copy / name).write_bytes({"cut": whole[:-9], "nothing": b"", "text": b"[1, 2]\n"}[damage])
    runs = [str(copy)] if command == "report" else [str(finished.path), str(copy), "--to", str(tmp_path / "page.html")]
    error = command_error([command, *runs])
    assert error.code == "run.damaged_file"
    assert str(error.where).endswith(name)


@pytest.mark.parametrize("name", ["notes.json", "sections.json"])
def test_damaged_notes_and_sections_are_named(finished: Run, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "copy")
    for text in ("{", "{}"):
        (copy / name).write_text(text)
        error = command_error(["report", str(copy)])
        assert (error.code, Path(str(error.where)).name) == ("run.damaged_file", name)


def test_notes_come_from_their_own_file(finished: Run, tmp_path: Path) -> None:
    assert read_notes(finished) == json.loads((finished.path / "notes.json").read_text())
    copy = shutil.copytree(finished.path, tmp_path / "copy")
    (copy / "notes.json").write_text('["2 videos <lost>"]')
    reseal(copy)
    assert exit_code(["report", str(copy)]) == 0
    assert "<li>2 videos &lt;lost&gt;</li>" in (copy / "report.html").read_text()
    (copy / "notes.json").unlink()
    assert command_error(["report", str(copy)]).code == "run.damaged_file"


def test_the_same_run_gives_the_same_page(finished: Run, tmp_path: Path) -> None:
    copy = shutil.copytree(finished.path, tmp_path / "copy")
    pages = []
    for _ in range(2):
        assert exit_code(["report", str(copy)]) == 0
        pages.append((copy / "report.html").read_bytes())
    assert pages[0] == pages[1]
