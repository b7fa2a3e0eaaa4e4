"""The EchoNet-Dynamic layout: ``FileList.csv``, ``VolumeTracings.csv`` and ``Videos/*.avi``.

The layout and its quirks are those of the public dataset (Ouyang et al., Nature 2020): names with or without
``.avi``, splits in any case, rows that list another size than their video has, videos without a tracing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from echokit.data.cohort.cohort import SPLITS, Cohort, split_named
from echokit.data.cohort.file_list import numbers_of, read_file_list, refuse_escapes, stem, untraced
from echokit.data.cohort.missing_dataset import AbsentError
from echokit.data.cohort.text_table import read_text_table
from echokit.errors import DataError
from echokit.plugins.parameters import DataPath

if TYPE_CHECKING:
    import pandas as pd

TRACED = ("FileName", "X1", "Y1", "X2", "Y2", "Frame")
REQUIRED = ("FileName", "EF", "Split")
COVARIATES = {
    "EF": "ef",
    "ESV": "esv",
    "EDV": "edv",
    "FPS": "fps",
    "NumberOfFrames": "frames",
    "FrameHeight": "height",
    "FrameWidth": "width",
}


def patient_of(name: str, cells: Mapping[Hashable, str]) -> str:
    """Return the patient of a video: ``PatientId`` of its row, or the video itself."""
    return cells.get("PatientId", "").strip() or name


class EchonetDynamic:
    """Read a folder in the layout of EchoNet-Dynamic.

    The layout has no patient identifiers: each video counts as a patient of its own. A dataset of `echokit data
    convert` has a column `PatientId`, which groups them.

    Args:
        root: The folder with FileList.csv and Videos.
    """

    def __init__(self, *, root: DataPath) -> None:
        self.root = Path(root).expanduser()

    def __call__(self) -> Cohort:
        """Read the tables; no video is opened.

        Raises:
            AbsentError: The root does not exist.
            DataError: The root does not have this layout, or a table cannot be used.
        """
        from echokit.system.hashing import content_hash

        listing = self._listing()
        table = read_file_list(listing, REQUIRED)
        warnings: list[str] = []
        names = [stem(str(name)) for name in table["FileName"]]
        refuse_escapes(names, listing)
        cases = numbers_of(table, COVARIATES)
        cases.insert(0, "case_id", names)
        cells = table.to_dict("records")
        cases.insert(1, "patient_id", [patient_of(name, row) for name, row in zip(names, cells, strict=True)])
        cases.insert(2, "source", [str(self.root / "Videos" / f"{name}.avi") for name in names])
        cases.insert(3, "split", [split_named(str(split)) for split in table["Split"]])
        _check_splits(cases, listing)
        warnings += _size_warnings(cases)
        warnings += untraced(self.root / "VolumeTracings.csv", names)
        return Cohort(
            cases.reset_index(drop=True),
            name="EchoNet-Dynamic layout",
            warnings=tuple(warnings),
            fingerprint=content_hash(listing),
        )

    def end_frames(self) -> dict[str, tuple[int, int]]:
        """Read the frames of end-diastole and end-systole from the tracings.

        Of the two traced frames of a video, end-diastole is that with the larger area: the length of the long axis
        times the sum of the chords, which are evenly spaced.

        Returns:
            (end-diastole, end-systole) by case_id, from 0; videos without two such frames are left out.

        Raises:
            DataError: The tracings are no such table.
        """
        import numpy as np
        import pandas as pd

        tracings = self.root / "VolumeTracings.csv"
        if not tracings.is_file():
            return {}
        table = read_text_table(tracings, columns=TRACED, errors="replace")
        numbers = table[list(TRACED[1:])].apply(pd.to_numeric, errors="coerce")
        lengths = np.hypot(numbers["X2"] - numbers["X1"], numbers["Y2"] - numbers["Y1"])
        traced = [table["FileName"].map(stem), numbers["Frame"]]
        is_axis = ~pd.concat(traced, axis=1).duplicated()  # the first row of a frame; the others are chords
        area = (
            lengths[is_axis].groupby(traced).sum(min_count=1) * lengths[~is_axis].groupby(traced).sum(min_count=1)
        ).dropna()
        cases = area.rename("area").reset_index().sort_values("area").groupby("FileName")
        ends = cases.agg(smallest=("Frame", "first"), largest=("Frame", "last"), areas=("area", "nunique"))
        ends = ends[(ends["areas"] == 2) & (cases.size() == 2)].astype(int)
        return dict(zip(ends.index.astype(str), zip(ends["largest"], ends["smallest"], strict=True), strict=True))

    def _listing(self) -> Path:
        if not self.root.exists():
            raise AbsentError(
                f"the dataset is missing: {self.root} does not exist",
                hint=f"expected {self.root / 'FileList.csv'}; set data.root or ECHONET_DYNAMIC to its folder",
                where="data.root",
                code="dataset.missing",
            )
        listing = self.root / "FileList.csv"
        videos = self.root / "Videos"
        for path, exists in ((listing, listing.is_file()), (videos, videos.is_dir())):
            if not exists:
                raise DataError(
                    f"{self.root} is not in the layout of EchoNet-Dynamic: expected {path}",
                    hint="data.root is the folder with FileList.csv and Videos/",
                    where="data.root",
                    code="dataset.other_layout",
                )
        return listing


def _check_splits(cases: pd.DataFrame, listing: Path) -> None:
    unknown = cases[~cases["split"].isin(SPLITS)]
    if len(unknown):
        row = int(unknown.index[0])
        raise DataError(
            f"the split {unknown['split'].iloc[0]!r} is not one of TRAIN, VAL, TEST",
            hint=f"{len(unknown)} such rows",
            where=f"{listing}:{row + 2}",
            code="table.unknown_split",
        )


def _size_warnings(cases: pd.DataFrame) -> list[str]:
    if "height" not in cases or "width" not in cases:
        return []
    sizes = list(zip(cases["height"], cases["width"], strict=True))
    usual = max(set(sizes), key=sizes.count)
    other = sum(size != usual for size in sizes)
    if not other:
        return []
    return [f"{other} rows list another size than {usual[0]:g}x{usual[1]:g}; the size of the decoded video is used"]
