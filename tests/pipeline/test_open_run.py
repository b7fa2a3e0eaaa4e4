"""One process at a time writes to a run, or to a fold of it."""

from pathlib import Path

import pytest

from echokit.pipeline.run import run
from echokit.pipeline.session import RunRequest
from echokit.recipe.validate import load_recipe
from echokit.results.run_directories import find_run
from echokit.training.callback import NoCallback, StepProgress
from tests.expect import refused


class Meanwhile(NoCallback):
    """Tries to resume a run while it is trained."""

    def __init__(self, request: RunRequest, folds: tuple[int | None, ...]) -> None:
        self.request, self.folds, self.tried = request, folds, 0

    def on_step_end(self, progress: StepProgress) -> None:
        if self.tried == len(self.folds):
            return
        fold = self.folds[self.tried]
        self.tried += 1
        recipe, out = self.request.recipe, self.request.out
        with refused("run.in_use", where=find_run("tiny", out).path.name):
            run(RunRequest(recipe, out, resume=find_run("tiny", out), only_fold=fold))


@pytest.mark.parametrize(("trained", "tried"), [(None, (None, 0)), (0, (None, 0))])
def test_a_second_process_at_a_run_is_refused(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained: int | None, tried: tuple[int | None, ...]
) -> None:
    monkeypatch.setattr("echokit.pipeline.open_run.PATIENCE", 0.1)
    request = RunRequest(load_recipe(tiny, ()), tmp_path, only_fold=trained)
    meanwhile = Meanwhile(request, tried)
    done = run(RunRequest(request.recipe, request.out, only_fold=trained, callback=meanwhile))
    assert meanwhile.tried == len(tried)
    assert done.complete == (trained is None)
    assert run(RunRequest(request.recipe, request.out, resume=done)).complete
