"""The CAMUS layout: NIfTI half cycles by patient, ``Info_*.cfg``, and ``subgroup_*.txt`` as splits.

The layout is that of the public dataset (Leclerc et al., IEEE TMI 2019), with the patients and the subgroup files in
one folder, or in ``database_nifti`` and ``database_split`` as it is distributed.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, Literal

from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.missing_dataset import AbsentError
from echokit.data.cohort.survival_outcome import number
from echokit.errors import DataError
from echokit.plugins.parameters import DataPath
from echokit.system.files import require_regular

SUBGROUPS = {"training": "train", "validation": "val", "testing": "test"}
NUMBERS = {"EF": "ef", "Age": "age", "FrameRate": "fps", "NbFrame": "frames", "ED": "ed_frame", "ES": "es_frame"}
TEXTS = {"Sex": "sex", "ImageQuality": "image_quality"}
MAX_INFO = 2**16  # bytes read of a .cfg file


class Camus:
    """Read a folder in the layout of CAMUS.

    A video is a half cycle, from end-diastole to end-systole.

    NIfTI files need nibabel: `python -m pip install "echokit-cardiac[camus]"`.

    Args:
        root: The folder with the folders patient0001 and so on, or database_nifti and database_split.
        view: Apical four-chamber or two-chamber, or both, as separate cases.
    """

    def __init__(self, *, root: DataPath, view: Literal["4CH", "2CH", "both"] = "4CH") -> None:
        self.root = Path(root).expanduser()
        self.view = view

    def __call__(self) -> Cohort:
        """Read the text files; no sequence is opened.

        Raises:
            AbsentError: The root does not exist.
            DataError: The root does not have this layout, or a patient is in two subgroups.
        """
        import pandas as pd

        from echokit.system.hashing import digest

        folders = patient_folders(self.root)
        split, warnings = self._splits({folder.name for folder in folders})
        views = ("2CH", "4CH") if self.view == "both" else (self.view,)
        rows: list[dict[str, Any]] = []
        unknown: dict[str, str] = {}
        unparsed = backwards = 0
        for folder in folders:
            for view in views:
                facts, other_lines = read_info(folder / f"Info_{view}.cfg")
                unparsed += other_lines
                case = f"{folder.name}_{view}"
                numbers = {name: number(facts.get(key, "")) for key, name in NUMBERS.items()}
                numbers |= {name: numbers[name] - 1 for name in ("ed_frame", "es_frame")}  # the files count from 1
                backwards += numbers["ed_frame"] > numbers["es_frame"]
                if math.isnan(numbers["ef"]):
                    unknown[case] = f"Info_{view}.cfg has no EF" if facts else f"Info_{view}.cfg is missing"
                rows.append(
                    {
                        "case_id": case,
                        "patient_id": folder.name,
                        "source": str(folder / f"{case}_half_sequence.nii.gz"),
                        "split": split.get(folder.name, ""),
                        **numbers,
                        **{name: facts.get(key, "") for key, name in TEXTS.items()},
                        "view": view,
                    }
                )
        warnings.append("the videos are half cycles: none shows a whole beat")
        if backwards:
            warnings.append(f"{backwards} half cycles run from end-systole to end-diastole")
        if unparsed:
            warnings.append(f"{unparsed} lines of the .cfg files do not have the form 'Key: value' and are ignored")
        return Cohort(
            pd.DataFrame(rows),
            name="CAMUS layout",
            warnings=tuple(warnings),
            fingerprint=digest([[str(value) for value in row.values() if value != row["source"]] for row in rows]),
            unknown=unknown,
        )

    def _splits(self, folders: set[str]) -> tuple[dict[str, str], list[str]]:
        """Return the split of each patient, and warnings."""
        split: dict[str, str] = {}
        has_files = False
        for name, part in SUBGROUPS.items():
            place = subgroup_file(self.root, name)
            if place is None:
                continue
            has_files = True
            for patient in place.read_text(encoding="utf-8", errors="replace").split():
                if split.get(patient, part) != part:
                    raise DataError(
                        f"a patient is in two subgroups: {patient!r}",
                        where=str(place),
                        code="cohort.patient_in_two_splits",
                    )
                split[patient] = part
        if not has_files:
            return {}, ["there are no subgroup files: the patients have no split"]
        warnings = []
        if missing := sorted(set(split) - folders):
            warnings.append(f"{len(missing)} patients of the subgroup files have no folder, for example {missing[0]!r}")
        if unassigned := sorted(folders - set(split)):
            warnings.append(f"{len(unassigned)} patients are in no subgroup, for example {unassigned[0]}")
        return split, warnings


def patient_folders(root: Path) -> list[Path]:
    """List the folders of the patients.

    Raises:
        AbsentError: The root does not exist.
        DataError: There are no such folders.
    """
    if not root.exists():
        raise AbsentError(
            f"the dataset is missing: {root} does not exist",
            hint=f"expected {root / 'patient0001'}",
            where="data.root",
            code="dataset.missing",
        )
    for place in (root, root / "database_nifti"):
        folders = sorted(p for p in place.glob("patient*") if re.fullmatch(r"patient[0-9]+", p.name) and p.is_dir())
        if folders:
            return folders
    raise DataError(
        f"{root} is not in the layout of CAMUS: expected {root / 'patient0001'}",
        hint="data.root is the folder with the folders of the patients",
        where="data.root",
        code="dataset.other_layout",
    )


def subgroup_file(root: Path, name: str) -> Path | None:
    """Find ``subgroup_NAME.txt``; None if it is missing."""
    places = [folder / f"subgroup_{name}.txt" for folder in (root, root / "database_split")]
    return next((place for place in places if place.is_file()), None)


def read_info(path: Path) -> tuple[dict[str, str], int]:
    """Read the ``Key: value`` lines of a ``.cfg`` file.

    Returns:
        The values as text (empty if the file is missing), and the number of lines of another form.
    """
    try:
        require_regular(path)
        with path.open("rb") as file:
            text = file.read(MAX_INFO).decode("utf-8", errors="replace")
    except OSError:
        return {}, 0
    facts: dict[str, str] = {}
    other_lines = 0
    for line in filter(None, map(str.strip, text.splitlines())):
        key, colon, value = line.partition(":")
        if colon and key.strip() not in facts:
            facts[key.strip()] = value.strip()
        else:
            other_lines += 1
    return facts, other_lines
