"""echokit: cardiac-ultrasound deep learning from a YAML recipe.

Everything public is here and is imported when it is used, so that ``import echokit`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from echokit.system.distribution import VERSION as __version__

_PLACES = {
    "hookimpl": "echokit.plugins.hookspecs",
    "Clip": "echokit.data.video.clip",
    "Region": "echokit.data.video.clip",
    "Stream": "echokit.data.video.clip",
    "Cohort": "echokit.data.cohort.cohort",
    "Fold": "echokit.data.cohort.cohort",
    "split_patients": "echokit.data.splits.stratify",
    "is_phantom": "echokit.data.cohort.is_phantom",
    "AssetFile": "echokit.plugins.parameters",
    "ComponentOf": "echokit.plugins.component_parameter",
    "DataPath": "echokit.plugins.parameters",
    "Section": "echokit.plugins.hookspecs",
    "Callback": "echokit.training.callback",
    "Stop": "echokit.training.callback",
    "Targets": "echokit.data.cohort.targets",
    "ClipTable": "echokit.data.sampling.clip_table",
    "LabelledBatch": "echokit.data.sampling.labelled_batch",
    "Windows": "echokit.data.sampling.windows",
    "PADDING": "echokit.data.sampling.windows",
    "SchedulePosition": "echokit.training.schedulers.position",
    "Predictions": "echokit.evaluation.predictions",
    "Evaluation": "echokit.evaluation.evaluation",
    "Metric": "echokit.evaluation.evaluation",
    "Curve": "echokit.evaluation.curve",
    "Interval": "echokit.evaluation.evaluation",
    "Evaluator": "echokit.evaluation.evaluator",
    "Resampled": "echokit.evaluation.evaluator",
    "PatientMetric": "echokit.evaluation.metrics.patient_metric",
    "Objective": "echokit.training.objectives.objective",
    "Uncalibrated": "echokit.training.calibrators.calibration",
    "ValidationScores": "echokit.training.calibrators.calibration",
    "FoldMetrics": "echokit.evaluation.fold_metrics",
    "InputShape": "echokit.models.input_shape",
    "EchokitError": "echokit.errors",
    "DataError": "echokit.errors",
    "RecipeError": "echokit.errors",
    "VideoError": "echokit.errors",
    "Run": "echokit.results.run",
    "RunModel": "echokit.pipeline.inference.run_model",
    "ModelInput": "echokit.pipeline.inference.run_model",
    "Comparison": "echokit.results.page.run_comparison",
    "ConvertedDataset": "echokit.tools.convert.convert",
    "register": "echokit.plugins.given",
    "run": "echokit.api",
    "load_run": "echokit.api",
    "predict": "echokit.api",
    "mask": "echokit.api",
    "evaluate": "echokit.api",
    "compare": "echokit.api",
    "convert": "echokit.api",
    "read_video": "echokit.data.video.read",
    "write_video": "echokit.data.video.write",
}
__all__ = ["__version__", *_PLACES]

if TYPE_CHECKING:
    from echokit.api import compare as compare
    from echokit.api import convert as convert
    from echokit.api import evaluate as evaluate
    from echokit.api import load_run as load_run
    from echokit.api import mask as mask
    from echokit.api import predict as predict
    from echokit.api import run as run
    from echokit.data.cohort.cohort import Cohort as Cohort
    from echokit.data.cohort.cohort import Fold as Fold
    from echokit.data.cohort.is_phantom import is_phantom as is_phantom
    from echokit.data.cohort.targets import Targets as Targets
    from echokit.data.sampling.clip_table import ClipTable as ClipTable
    from echokit.data.sampling.labelled_batch import LabelledBatch as LabelledBatch
    from echokit.data.sampling.windows import PADDING as PADDING
    from echokit.data.sampling.windows import Windows as Windows
    from echokit.data.splits.stratify import split_patients as split_patients
    from echokit.data.video.clip import Clip as Clip
    from echokit.data.video.clip import Region as Region
    from echokit.data.video.clip import Stream as Stream
    from echokit.data.video.read import read_video as read_video
    from echokit.data.video.write import write_video as write_video
    from echokit.errors import DataError as DataError
    from echokit.errors import EchokitError as EchokitError
    from echokit.errors import RecipeError as RecipeError
    from echokit.errors import VideoError as VideoError
    from echokit.evaluation.curve import Curve as Curve
    from echokit.evaluation.evaluation import Evaluation as Evaluation
    from echokit.evaluation.evaluation import Interval as Interval
    from echokit.evaluation.evaluation import Metric as Metric
    from echokit.evaluation.evaluator import Evaluator as Evaluator
    from echokit.evaluation.evaluator import Resampled as Resampled
    from echokit.evaluation.fold_metrics import FoldMetrics as FoldMetrics
    from echokit.evaluation.metrics.patient_metric import PatientMetric as PatientMetric
    from echokit.evaluation.predictions import Predictions as Predictions
    from echokit.models.input_shape import InputShape as InputShape
    from echokit.pipeline.inference.run_model import ModelInput as ModelInput
    from echokit.pipeline.inference.run_model import RunModel as RunModel
    from echokit.plugins.component_parameter import ComponentOf as ComponentOf
    from echokit.plugins.given import register as register
    from echokit.plugins.hookspecs import Section as Section
    from echokit.plugins.hookspecs import hookimpl as hookimpl
    from echokit.plugins.parameters import AssetFile as AssetFile
    from echokit.plugins.parameters import DataPath as DataPath
    from echokit.results.page.run_comparison import Comparison as Comparison
    from echokit.results.run import Run as Run
    from echokit.tools.convert.convert import ConvertedDataset as ConvertedDataset
    from echokit.training.calibrators.calibration import Uncalibrated as Uncalibrated
    from echokit.training.calibrators.calibration import ValidationScores as ValidationScores
    from echokit.training.callback import Callback as Callback
    from echokit.training.callback import Stop as Stop
    from echokit.training.objectives.objective import Objective as Objective
    from echokit.training.schedulers.position import SchedulePosition as SchedulePosition


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module 'echokit' has no attribute {name!r}")
    return getattr(importlib.import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
