"""echokit: cardiac-ultrasound deep learning from a YAML recipe.

Everything public is here and is imported when it is used, so that ``import echokit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PLACES = {
    "hookimpl": "echokit.hooks",
    "Clip": "echokit.video.clip",
    "Region": "echokit.video.clip",
    "Stream": "echokit.video.clip",
    "Cohort": "echokit.cohort.cohort",
    "Fold": "echokit.cohort.cohort",
    "DataPath": "echokit.schema",
    "Section": "echokit.hooks",
    "Targets": "echokit.objectives.objective",
    "Windows": "echokit.sampling.windows",
    "PADDING": "echokit.sampling.windows",
    "Predictions": "echokit.evaluate.predictions",
    "Evaluation": "echokit.evaluate.evaluation",
    "Metric": "echokit.evaluate.evaluation",
    "InputShape": "echokit.models.shape",
    "EchokitError": "echokit.errors",
    "DataError": "echokit.errors",
    "RecipeError": "echokit.errors",
    "VideoError": "echokit.errors",
    "Run": "echokit.run_directory",
    "RunModel": "echokit.pipeline.inference.run_model",
    "ModelInput": "echokit.pipeline.inference.run_model",
    "run": "echokit.api",
    "load_run": "echokit.api",
    "read_video": "echokit.video.reading",
    "write_video": "echokit.video.writing",
}
__all__ = ["__version__", *_PLACES]

if TYPE_CHECKING:
    from echokit.api import load_run as load_run
    from echokit.api import run as run
    from echokit.cohort.cohort import Cohort as Cohort
    from echokit.cohort.cohort import Fold as Fold
    from echokit.errors import DataError as DataError
    from echokit.errors import EchokitError as EchokitError
    from echokit.errors import RecipeError as RecipeError
    from echokit.errors import VideoError as VideoError
    from echokit.evaluate.evaluation import Evaluation as Evaluation
    from echokit.evaluate.evaluation import Metric as Metric
    from echokit.evaluate.predictions import Predictions as Predictions
    from echokit.hooks import Section as Section
    from echokit.hooks import hookimpl as hookimpl
    from echokit.models.shape import InputShape as InputShape
    from echokit.objectives.objective import Targets as Targets
    from echokit.pipeline.inference.run_model import ModelInput as ModelInput
    from echokit.pipeline.inference.run_model import RunModel as RunModel
    from echokit.run_directory import Run as Run
    from echokit.sampling.windows import PADDING as PADDING
    from echokit.sampling.windows import Windows as Windows
    from echokit.schema import DataPath as DataPath
    from echokit.video.clip import Clip as Clip
    from echokit.video.clip import Region as Region
    from echokit.video.clip import Stream as Stream
    from echokit.video.reading import read_video as read_video
    from echokit.video.writing import write_video as write_video


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'echokit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
