"""The clips of a mask audit, with what is known about each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from echokit.data.cohort.pseudonyms import case_ids
from echokit.data.cohort.text_table import read_text_table
from echokit.data.video.find import expand, split_videos
from echokit.errors import DataError
from echokit.system.phantom_mark import is_phantom

Area = npt.NDArray[np.bool_]
REDUCED = 50.0


@dataclass(frozen=True)
class Truth:
    """Where things are in a clip; None if not known.

    Attributes:
        ventricle: (n, H, W) bool, the left ventricle in some frames.
        myocardium: (n, H, W) bool, its wall.
        moving: (H, W) bool, tissue that contraction moves by a millimetre or more.
        sector: (H, W) bool, the fan.
        screen: What is written on the screen, each (H, W) bool: text, scale, ECG trace, number.
    """

    ventricle: Area | None = None
    myocardium: Area | None = None
    moving: Area | None = None
    sector: Area | None = None
    screen: Mapping[str, Area] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """One clip of an audit.

    Attributes:
        case_id, patient_id: Names.
        path: The video.
        ef: Ejection fraction in %, or None.
        outcome: 1 where the positive outcome (death, or EF below 50 %) is known, 0 where the other, None if not.
        masks: File with a phantom's truth, or None.
        lines: Traced lines by frame, (21, 4) x1, y1, x2, y2 each, long axis first.
    """

    case_id: str
    patient_id: str
    path: Path
    ef: float | None = None
    outcome: int | None = None
    masks: Path | None = None
    lines: Mapping[int, npt.NDArray[np.float64]] = field(default_factory=dict)

    def truth(self, size: tuple[int, int]) -> Truth:
        """What is known about the clip, in frames of ``size``."""
        if self.masks is not None:
            from echokit.phantom.clinical.truth import read_truth

            known = read_truth(self.masks)
            return Truth(
                known.ventricle,
                known.myocardium,
                known.tissue & (known.motion >= 1),
                known.sector,
                {"text": known.text, "scale": known.scale, "ecg": known.ecg, "number": known.number},
            )
        if self.lines:
            return Truth(ventricle=np.stack([traced_area(lines, size) for lines in self.lines.values()]))
        return Truth()


@dataclass(frozen=True)
class Subjects:
    """The clips, what their outcome is called, and whether they are synthetic."""

    clips: tuple[Subject, ...]
    positive: str
    phantom: bool


def traced_area(lines: npt.NDArray[np.float64], size: tuple[int, int]) -> Area:
    """Fill the ventricle traced by EchoNet-Dynamic's chords.

    Args:
        lines: (n, 4) x1, y1, x2, y2; the first is the long axis.
        size: Height and width of the picture.
    """
    import cv2

    chords = lines[1:]
    points = np.concatenate([chords[:, :2], chords[::-1, 2:]])
    area = np.zeros(size, np.uint8)
    cv2.fillPoly(area, [np.round(points * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return area > 0


def subjects_of(sources: Sequence[str]) -> Subjects:
    """Find the clips that are meant.

    A folder in the layout of EchoNet-Dynamic gives its tracings, one of the clinical phantom its truth; any other
    folder or file is a clip about which nothing is known.

    Raises:
        DataError: A source is missing, or its tables cannot be used.
    """
    clips: list[Subject] = []
    positive = set()
    phantom = False
    for source in sources:
        folder = Path(source).expanduser()
        phantom |= is_phantom(folder)
        if (folder / "FileList.csv").is_file():
            clips += _echonet(folder)
            positive.add(f"EF below {REDUCED:g} %")
        elif (folder / "PhantomTruth.csv").is_file() and (folder / "masks").is_dir():
            clips += _clinical(folder)
            positive.add("death")
        else:
            files, _ = split_videos(expand([source]))
            named = zip(case_ids(files), files, strict=True)
            clips += [Subject(case_id, case_id, path) for case_id, path in named]
    if len(positive) > 1:
        raise DataError(
            f"an audit has one outcome, not {' and '.join(sorted(positive))}",
            hint="audit each dataset by itself",
            code="audit.several_outcomes",
        )
    return Subjects(tuple(clips), next(iter(positive), "outcome"), phantom)


def _echonet(folder: Path) -> list[Subject]:
    import pandas as pd

    from echokit.data.cohort.echonet_dynamic import EchonetDynamic

    cases = EchonetDynamic(root=str(folder))().cases
    lines: dict[str, dict[int, npt.NDArray[np.float64]]] = {}
    tracings = folder / "VolumeTracings.csv"
    if tracings.is_file():
        columns = ["X1", "Y1", "X2", "Y2", "Frame"]
        table = read_text_table(tracings, errors="replace")
        if not {"FileName", *columns} <= set(table.columns):
            raise DataError(
                "lacks one of the columns FileName, X1, Y1, X2, Y2, Frame",
                where=str(tracings),
                code="table.missing_column",
            )
        numbers = table[columns].apply(pd.to_numeric, errors="coerce")
        numbers["name"] = table["FileName"].str.strip().str.replace(r"\.avi$", "", regex=True, case=False)
        for (name, frame), rows in numbers.dropna().groupby(["name", "Frame"], sort=False):
            if len(rows) >= 4:  # fewer enclose nothing
                lines.setdefault(str(name), {})[int(frame)] = rows[columns[:4]].to_numpy(np.float64)
    efs = cases["ef"].to_numpy(np.float64)
    return [
        Subject(
            str(case),
            str(patient),
            Path(source),
            ef if np.isfinite(ef) else None,
            int(ef < REDUCED) if np.isfinite(ef) else None,
            lines=lines.get(str(case), {}),
        )
        for case, patient, source, ef in zip(cases["case_id"], cases["patient_id"], cases["source"], efs, strict=True)
    ]


def _clinical(folder: Path) -> list[Subject]:
    import pandas as pd

    from echokit.system.csv_cells import unguarded

    cohort = unguarded(pd.read_csv(folder / "cohort.csv"))
    truth = unguarded(pd.read_csv(folder / "PhantomTruth.csv")).set_index("source").to_dict("index")
    subjects = []
    for number, row in enumerate(cohort.itertuples()):
        known = truth[str(row.source)]
        subjects.append(
            Subject(
                f"clip-{number:03d}",
                f"patient-{Path(str(known['masks'])).name.split('-')[1]}",
                folder / str(row.source),
                float(known["EF_a4c"]),
                int(row.target),  # type: ignore[arg-type]
                masks=folder / str(known["masks"]),
            )
        )
    return subjects
