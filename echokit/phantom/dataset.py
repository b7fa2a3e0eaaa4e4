"""The phantom as a dataset that a recipe can name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from echokit.cohort.cohort import Cohort
from echokit.cohort.echonet_dynamic import EchonetDynamic
from echokit.cohort.table import Table
from echokit.errors import DataError
from echokit.fingerprint import code_hash, digest
from echokit.progress import display
from echokit.workspace import workspace

VIDEOS, PATIENTS = 224, 34


class Phantom:
    """Synthetic beating hearts, made once and then read like a real dataset. Every result is stamped PHANTOM DATA.

    Args:
        layout: Which dataset's layout is written. `clinical` is a hospital's table of patients; its target is death.
        cases: Number of videos, or of patients; usually 224, and 34 of `clinical`.
        ef: Distribution of the ejection fraction: as in EchoNet-Dynamic, or wide, with few near the cut-off. Not for
            `clinical`, which has its own.
        seed: Seed of the hearts; the same seed gives the same bytes.
    """

    def __init__(
        self,
        *,
        layout: Literal["echonet_dynamic", "clinical"] = "echonet_dynamic",
        cases: Annotated[int, Field(ge=6)] | None = None,
        ef: Literal["realistic", "wide"] = "realistic",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.layout = layout
        self.cases = cases or (PATIENTS if layout == "clinical" else VIDEOS)
        self.ef: Literal["realistic", "wide"] = ef
        self.seed = seed

    def __call__(self) -> Cohort:
        """Make the videos unless they are there, and read them.

        Raises:
            DataError: ``ef`` is given for a layout that has its own.
        """
        key = digest([self.layout, self.cases, self.ef, self.seed, code_hash("echokit.phantom.layout")])
        root = workspace() / "phantom" / key
        if self.layout == "clinical":
            return self._clinical(root)
        from echokit.phantom.layout import write_phantom

        if not root.exists():
            with display().task("Making phantom hearts", self.cases) as advance:
                write_phantom(root, cases=self.cases, seed=self.seed, ef=self.ef, advance=advance)
        return EchonetDynamic(root=str(root))()

    def _clinical(self, root: Path) -> Cohort:
        from echokit.phantom.clinical.directory import COVARIATES, TABLE, write_clinical

        if self.ef != "realistic":
            raise DataError("the clinical phantom has its own ejection fractions, 10 to 35", where="data.ef")
        if not root.exists():
            with display().task("Making phantom patients", self.cases) as advance:
                write_clinical(root, patients=self.cases, seed=self.seed, advance=advance)
        return Table(table=str(root / TABLE), covariates=COVARIATES, name="clinical phantom")()
