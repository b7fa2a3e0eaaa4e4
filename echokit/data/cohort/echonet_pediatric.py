"""The EchoNet-Pediatric layout: one folder for each view, with tables and ``Videos``.

The layout is that of the public dataset (Reddy et al., J Am Soc Echocardiogr 2023): file names of the form
patient-accession-instance, several for each patient, and ten folds instead of splits.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.file_list import numbers_of, read_file_list, refuse_escapes, stem, untraced
from echokit.data.cohort.missing_dataset import AbsentError
from echokit.errors import DataError
from echokit.plugins.parameters import DataPath

if TYPE_CHECKING:
    import pandas as pd

REQUIRED = ("FileName", "EF", "Split")
NUMBERS = {"EF": "ef", "Age": "age", "Weight": "weight_kg", "Height": "height_cm"}
FOLDS = 10

FoldNumber = Annotated[int, Field(ge=0, lt=FOLDS)]


class EchonetPediatric:
    """Read one view of a folder in the layout of EchoNet-Pediatric.

    The part of a file name before the accession number is the patient; all videos of a patient are in one fold.

    Args:
        root: The folder with A4C and PSAX.
        view: Apical four-chamber or parasternal short axis.
        val: Folds of the validation set.
        test: Folds of the test set; all other folds are for training.
    """

    def __init__(
        self,
        *,
        root: DataPath,
        view: Literal["A4C", "PSAX"] = "A4C",
        val: tuple[FoldNumber, ...] = (8,),
        test: tuple[FoldNumber, ...] = (9,),
    ) -> None:
        self.root = Path(root).expanduser()
        self.view = view
        self.val = val
        self.test = test

    def __call__(self) -> Cohort:
        """Read the table of the view; no video is opened.

        Raises:
            AbsentError: The root does not exist.
            DataError: The root does not have this layout, or a row cannot be used.
        """
        from echokit.system.hashing import content_hash

        listing = self._listing()
        table = read_file_list(listing, REQUIRED)
        names = [stem(name) for name in table["FileName"]]
        refuse_escapes(names, listing)
        cases = numbers_of(table, NUMBERS)
        if "Sex" in table.columns:
            cases["sex"] = table["Sex"].str.strip()
        cases["fold"] = self._folds(table["Split"], listing)
        cases.insert(0, "case_id", names)
        cases.insert(1, "patient_id", _patients(names, listing))
        cases.insert(2, "source", [str(listing.parent / "Videos" / f"{name}.avi") for name in names])
        part = {**dict.fromkeys(self.val, "val"), **dict.fromkeys(self.test, "test")}
        cases.insert(3, "split", [part.get(fold, "train") for fold in cases["fold"]])
        return Cohort(
            cases,
            name=f"EchoNet-Pediatric layout, {self.view}",
            warnings=tuple(untraced(listing.parent / "VolumeTracings.csv", names)),
            fingerprint=content_hash(listing),
        )

    def _listing(self) -> Path:
        if set(self.val) & set(self.test):
            raise DataError(
                "a fold is in val and in test",
                hint="the sets must not share a fold",
                where="data.test",
                code="dataset.shared_fold",
            )
        if not self.test:
            raise DataError("there is no test fold", where="data.test", code="dataset.no_test_fold")
        if not self.root.exists():
            raise AbsentError(
                f"the dataset is missing: {self.root} does not exist",
                hint=f"expected {self.root / self.view / 'FileList.csv'}",
                where="data.root",
                code="dataset.missing",
            )
        listing, videos = self.root / self.view / "FileList.csv", self.root / self.view / "Videos"
        for path, exists in ((listing, listing.is_file()), (videos, videos.is_dir())):
            if not exists:
                raise DataError(
                    f"{self.root} is not in the layout of EchoNet-Pediatric: expected {path}",
                    hint="data.root is the folder with A4C and PSAX",
                    where="data.root",
                    code="dataset.other_layout",
                )
        return listing

    def _folds(self, column: pd.Series[str], listing: Path) -> list[int]:
        known = {str(fold): fold for fold in range(FOLDS)}
        texts = [str(text).strip().removesuffix(".0") for text in column]
        bad_rows = [row for row, text in enumerate(texts, start=2) if text not in known]
        if bad_rows:
            raise DataError(
                f"the Split {texts[bad_rows[0] - 2]!r} is not one of the folds 0 to {FOLDS - 1}",
                hint=f"{len(bad_rows)} such rows",
                where=f"{listing}:{bad_rows[0]}",
                code="table.unknown_split",
            )
        return [known[text] for text in texts]


def _patients(names: list[str], listing: Path) -> list[str]:
    parts = [name.rsplit("-", 2) for name in names]
    bad_rows = [row for row, part in enumerate(parts, start=2) if len(part) < 3 or not all(part)]
    if bad_rows:
        raise DataError(
            f"{names[bad_rows[0] - 2]!r} does not have the form patient-accession-instance: its patient is not known",
            hint=f"{len(bad_rows)} such rows; a patient's videos must stay together",
            where=f"{listing}:{bad_rows[0]}",
            code="table.no_patient",
        )
    return [part[0] for part in parts]
