"""Phantom dataset for recipes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

from filelock import FileLock, Timeout
from pydantic import Field

from echokit.data.cohort.camus import Camus
from echokit.data.cohort.cohort import Cohort
from echokit.data.cohort.echonet_dynamic import EchonetDynamic
from echokit.data.cohort.echonet_pediatric import EchonetPediatric
from echokit.data.cohort.hospital_table import Table
from echokit.errors import DataError
from echokit.phantom.layouts import LAYOUTS
from echokit.system.cache_folder import cache_folder_path
from echokit.system.hashing import digest, package_hash
from echokit.system.progress import display


class Phantom:
    """Synthetic beating hearts, read like a real dataset: PHANTOM DATA.

    Args:
        layout: Dataset whose layout is written and read. `clinical` is a hospital's table of patients; its target is
            death.
        cases: Number of videos, or of patients for `echonet_pediatric`, `camus` and `clinical`; usually as many as
            `echokit data phantom` writes.
        ef: Distribution of the ejection fraction: as in EchoNet-Dynamic, or wide, with few near the cut-off. Not for
            `clinical`, which has its own.
        seed: Seed of the hearts; the same seed gives the same bytes.
    """

    def __init__(
        self,
        *,
        layout: Literal["echonet_dynamic", "echonet_pediatric", "camus", "table", "clinical"] = "echonet_dynamic",
        cases: Annotated[int, Field(ge=6, le=1_000_000)] | None = None,
        ef: Literal["realistic", "wide"] = "realistic",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.layout = layout
        self.cases = cases or LAYOUTS[layout].cases
        self.ef: Literal["realistic", "wide"] = ef
        self.seed = seed

    def __call__(self) -> Cohort:
        """Create the videos unless they exist, and read them.

        Raises:
            DataError: ``ef`` is given for a layout with its own distribution.
        """
        layout = LAYOUTS[self.layout]
        if layout.own_ef and self.ef != "realistic":
            raise DataError(
                f"the layout {self.layout} has its own ejection fractions", where="data.ef", code="phantom.own_ef"
            )
        root = self._root()
        with _exclusive(root):
            if not root.exists():
                options = {} if layout.own_ef else {"ef": self.ef}
                with display().task("Creating phantom hearts", self.cases) as advance:
                    layout.load()(root, **{layout.keyword: self.cases}, seed=self.seed, advance=advance, **options)
        return _read(self.layout, root)

    def exists(self) -> bool:
        """Whether the videos have been created."""
        return self._root().exists()

    def _root(self) -> Path:
        key = digest([self.layout, self.cases, self.ef, self.seed, package_hash("echokit.phantom")])
        return cache_folder_path() / "phantom" / key


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    """Let one process create the hearts; others that need the same ones wait for it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(root.with_name(f"{root.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        display().show_message("another run is creating the same phantom hearts; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _read(layout: str, root: Path) -> Cohort:
    if layout == "echonet_pediatric":
        return EchonetPediatric(root=str(root))()
    if layout == "camus":
        return Camus(root=str(root))()
    if layout == "table":
        return Table(table=str(root / "cases.csv"), covariates=("age", "sex", "ef"), name="table phantom")()
    if layout == "clinical":
        from echokit.phantom.clinical.directory import COVARIATES, TABLE

        return Table(table=str(root / TABLE), covariates=COVARIATES, name="clinical phantom")()
    return EchonetDynamic(root=str(root))()
