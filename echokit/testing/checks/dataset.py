"""Checks of a dataset: () -> Cohort."""

from __future__ import annotations

from pathlib import Path

from echokit.data.cohort.cohort import SPLITS, Cohort
from echokit.testing.case import Subject, require


def check_gives_a_cohort(subject: Subject) -> None:
    """The result is a Cohort with cases, a name and known splits."""
    cohort = subject.make()()
    require(isinstance(cohort, Cohort), f"it gives {type(cohort).__name__}, not a Cohort")
    require(len(cohort), "it gives no case")
    require(cohort.name, "the cohort has no name")
    unknown = set(cohort.cases["split"]) - {*SPLITS, ""}
    require(not unknown, f"unknown splits: {', '.join(map(repr, sorted(unknown)))}")


def check_gives_the_same_twice(subject: Subject) -> None:
    """The same files give the same table, in the same order."""
    first, second = subject.make()(), subject.make()()
    require(first.cases.equals(second.cases), "the tables differ")
    require(first.fingerprint == second.fingerprint, "the fingerprints differ")


def check_names_videos_that_are_there(subject: Subject) -> None:
    """Every source is an existing file or folder."""
    cohort = subject.make()()
    missing = [
        str(case)
        for case, source in zip(cohort.cases["case_id"], cohort.cases["source"], strict=True)
        if not Path(source).exists()
    ]
    require(not missing, f"the sources of {len(missing)} cases do not exist, such as that of {missing[:1]}")


def check_case_ids_are_text(subject: Subject) -> None:
    """case_id and patient_id are strings: numbers would lose leading zeros."""
    cases = subject.make()().cases
    for column in ("case_id", "patient_id"):
        require(all(isinstance(value, str) for value in cases[column]), f"{column} has values that are not strings")
