"""Cases of the built-in components; a component without an entry fails the test suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from echokit.testing.case import Case
from echokit.testing.clips import Frames, beating


def _phantom(layout: str, parameter: str, name: str = "", **options: Any) -> Callable[[Path], dict[str, Any]]:
    """Return a setup that writes a phantom and gives its path."""

    def setup(folder: Path) -> dict[str, Any]:
        from echokit.phantom.layouts import LAYOUTS

        LAYOUTS[layout].load()(folder / layout, workers=1, **options)
        return {parameter: str(folder / layout / name)}

    return setup


def _video(kind: str, suffix: str = "") -> Case:
    """Return a case whose video is written by the phantom's writers."""

    def write(folder: Path) -> tuple[Path, Frames]:
        from echokit.phantom.write_table import write_frames

        frames = beating(8, 48, 64)
        write_frames(folder / f"heart{suffix}", kind, frames, fps=50, patient="MRN-1")
        return folder / f"heart{suffix}", frames

    return Case(video=write)


def _nifti(folder: Path) -> tuple[Path, Frames]:
    from echokit.phantom.write_camus import write_nifti

    frames = beating(8, 48, 64)
    write_nifti(folder / "heart.nii.gz", frames, (0.3, 0.3))
    return folder / "heart.nii.gz", frames


def _own_services(folder: Path) -> dict[str, Any]:
    """Keep what trackers write in a folder, and away from every server."""
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{folder.parent / 'mlflow.db'}")
    os.environ.setdefault("WANDB_MODE", "offline")
    os.environ.setdefault("WANDB_DIR", str(folder.parent))
    return {}


def _accuracy(y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(y, score >= 0.5))


def _auroc(y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(y, score))


def _auprc(y: npt.NDArray[np.int64], score: npt.NDArray[np.float64]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(y, score))


def _sexes(n: int) -> list[str]:
    return [("F", "M")[row % 2] for row in range(n)]


def _ages(n: int) -> list[float]:
    return [40.0 + row % 31 for row in range(n)]


NARROW, NARROW_8 = Case({"width": 4}), Case({"width": 8})

CASES: Mapping[str, Case | Sequence[Case]] = {
    "dataset.echonet_dynamic": Case(setup=_phantom("echonet_dynamic", "root", cases=6, frames=(6, 8))),
    "dataset.echonet_pediatric": Case(setup=_phantom("echonet_pediatric", "root", cases=10)),
    "dataset.camus": Case(setup=_phantom("camus", "root", cases=6), needs=("nibabel",)),
    "dataset.table": Case({"covariates": ["age", "sex"]}, setup=_phantom("table", "table", "cases.csv", cases=6)),
    "dataset.phantom": Case({"cases": 6}),
    "preprocessor.trim": Case({"frames": 5}),
    "preprocessor.resample": (Case({"fps": 17.0}), Case({"fps": 90.0})),
    "preprocessor.resize": (Case({"size": 32}), Case({"size": 200})),
    "preprocessor.motion_mask": (Case(), Case({"method": "farneback"}), Case({"threshold": 0.5})),
    "preprocessor.sector_mask": (Case(), Case({"keep": "region"})),
    "preprocessor.random_mask": Case({"keep": 0.2}),
    "preprocessor.no_mask": Case(),
    "preprocessor.optical_flow": (Case(), Case({"method": "dis"})),
    "sampler.window": (
        Case({"frames": 16}),
        Case({"frames": 16, "start": "random", "clips": 3}),
        Case({"frames": 16, "start": "all"}),
        Case({"seconds": 0.4, "fps": 40.0, "start": "random"}),
        Case({"frames": 16, "start": "random", "test_clips": 4}),
    ),
    "augmentation.pad_and_crop": Case({"share": 0.3}),
    "augmentation.rotate": Case({"degrees": 30.0}),
    "augmentation.gain": Case({"level": 0.3, "contrast": 0.3}),
    "augmentation.random_apply": (Case({"of": "gain"}), Case({"of": {"use": "rotate", "degrees": 30.0}, "p": 0.9})),
    "backbone.resnet18": NARROW,
    "backbone.resnet34": NARROW,
    "backbone.resnet50": Case({"width": 2}),
    "backbone.resnet101": Case({"width": 2}, meta=True),
    "backbone.resnet152": Case({"width": 2}, meta=True),
    **{f"backbone.{name}": NARROW_8 for name in ("c2d_r50", "i3d_r50", "slow_r50", "csn_r101", "r2plus1d_r50")},
    **{f"backbone.{name}": NARROW_8 for name in ("slowfast_r50", "mvit")},
    **{f"backbone.x3d_{size}": Case({"depth_factor": 1.0}) for size in ("xs", "s", "m", "l")},
    **{f"backbone.{name}": Case() for name in ("r3d_18", "mc3_18", "r2plus1d_18", "s3d")},
    **{f"backbone.{name}": Case(meta=True) for name in ("mvit_v2_s", "swin3d_t")},
    "backbone.timm": (Case({"name": "test_resnet"}), Case({"name": "test_resnet", "pooling": "attention"})),
    "fusion.two_stream": Case(),
    "fusion.single_stream": (Case(), Case({"stream": "flow"})),
    "objective.cross_entropy": (
        Case(),
        Case({"class_weights": "balanced"}),
        Case({"outputs": 1}),
        Case({"focal": 2.0, "calibrate": "platt"}),
    ),
    "objective.ef_regression": (Case(), Case({"loss": "l1"}), Case({"loss": "huber", "calibrate": "platt"})),
    "objective.multi_task": (Case(), Case({"class_weights": "balanced", "loss": "huber"})),
    "optimizer.adam": (Case(), Case({"amsgrad": True})),
    "optimizer.adamw": Case(),
    "optimizer.sgd": (Case(), Case({"momentum": 0.9, "nesterov": True})),
    "scheduler.constant": Case(),
    "scheduler.one_cycle": (Case(), Case({"warmup": 0.0, "end_factor": 0.0})),
    "resampler.official": Case(),
    "resampler.holdout": Case(),
    "resampler.kfold": (Case({"k": 3}), Case({"k": 2, "val": 0.25})),
    "resampler.repeated_kfold": Case({"k": 3, "repeats": 2}),
    "resampler.leave_one_out": Case(),
    "resampler.leave_pair_out": Case(),
    "resampler.nested": Case({"repeats": 2, "search": {"model.dropout": [0.0, 0.5]}}),
    "evaluator.accuracy": Case(reference=_accuracy),
    "evaluator.auroc": Case(reference=_auroc),
    "evaluator.auprc": Case(reference=_auprc),
    **{f"evaluator.{name}": Case() for name in ("balanced_accuracy", "sensitivity", "specificity", "ppv", "npv", "f1")},
    **{f"evaluator.{name}": Case() for name in ("mcc", "brier", "log_loss", "calibration", "net_benefit")},
    **{f"evaluator.{name}": Case() for name in ("mae", "rmse", "r2", "bland_altman", "study_compat")},
    "evaluator.subgroups": Case({"by": ["sex", "age"]}, columns={"sex": _sexes, "age": _ages}),
    "evaluator.confusion": (Case(), Case({"threshold": 0.3}), Case({"threshold": "youden"})),
    "threshold_rule.youden": Case(),
    "threshold_rule.sensitivity_at": (Case({"sensitivity": 0.9}), Case({"sensitivity": 1.0})),
    "threshold_rule.specificity_at": Case({"specificity": 0.9}),
    "calibrator.platt": Case(),
    "calibrator.normal": Case(),
    **{f"aggregator.kfold_{name}": Case() for name in ("mean_sd", "within", "pooled")},
    "reader.avi": _video("AVI", ".avi"),
    "reader.mp4": _video("MP4", ".mp4"),
    "reader.dicom": _video("DICOM", ".dcm"),
    "reader.dicom_series": _video("series"),
    "reader.frames": _video("frames"),
    "reader.nifti": Case(video=_nifti, needs=("nibabel",)),
    "callback.tensorboard": Case(needs=("tensorboard",)),
    "callback.mlflow": Case(setup=_own_services, needs=("mlflow",)),
    "callback.wandb": Case(setup=_own_services, needs=("wandb",)),
    "evaluator.ef_cutoffs": (Case(), Case({"cutoffs": [40.0], "without": None, "inclusive": True})),
}
