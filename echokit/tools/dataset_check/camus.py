"""Survey of the CAMUS layout."""

from __future__ import annotations

from pathlib import Path

from echokit.data.cohort.camus import NUMBERS, SUBGROUPS, patient_folders, read_info, subgroup_file
from echokit.data.cohort.survival_outcome import number
from echokit.system.phantom_mark import is_phantom
from echokit.tools.dataset_check.finding import finding
from echokit.tools.dataset_check.survey import Listed, Survey


def survey_camus(root: Path) -> Survey:
    """Survey a directory in the layout of CAMUS, both of its views.

    Raises:
        DataError: There are no folders of patients.
    """
    folders = patient_folders(root)
    splits: dict[str, list[str]] = {}
    for name, part in SUBGROUPS.items():
        place = subgroup_file(root, name)
        if place is not None:
            for patient in dict.fromkeys(place.read_text(encoding="utf-8", errors="replace").split()):
                splits.setdefault(patient, []).append(part)
    there = {folder.name for folder in folders}
    listed, odd, order, masks = [], [], [], []
    for folder in folders:
        for view in ("2CH", "4CH"):
            case = f"{folder.name}_{view}"
            facts, strange = read_info(folder / f"Info_{view}.cfg")
            values = {name: number(facts.get(key, "")) for key, name in NUMBERS.items()}
            ends = sorted((values["ed_frame"], values["es_frame"]))
            if facts and ends != [1.0, values["frames"]]:
                order.append((case, "ED and ES are not the first and the last frame"))
            odd += [(case, f"Info_{view}.cfg")] * strange
            masks += [
                (case, what)
                for what in ("ED", "ES", "half_sequence")
                if not (folder / f"{case}_{what}_gt.nii.gz").is_file()
            ]
            why = f"Info_{view}.cfg gives no EF" if facts else f"Info_{view}.cfg is missing"
            split = splits.get(folder.name, [""])[0]
            source = folder / f"{case}_half_sequence.nii.gz"
            listed.append(Listed(case, folder.name, split, source, values, values["ef"], why))
    twice = [(patient, " and ".join(parts)) for patient, parts in sorted(splits.items()) if len(parts) > 1]
    absent = [(patient, "") for patient in sorted(set(splits) - there)]
    findings = (
        finding(
            "patient_in_two_subgroups", "error", "patients that two subgroup files name", twice, hint="fix the files"
        ),
        finding("absent_patient", "warning", "patients of the subgroup files without a folder", absent),
        finding("info_line", "note", "lines of the .cfg files that are not 'Key: value'", odd),
        finding("half_cycle", "warning", "sequences whose .cfg does not fit a half cycle", order),
        finding("untraced", "note", "masks that are missing", masks),
    )
    return Survey(
        "CAMUS", is_phantom(root), tuple(listed), findings, whole_beats=False, splits=("train", "val", "test")
    )
