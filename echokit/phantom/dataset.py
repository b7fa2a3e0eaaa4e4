"""The phantom as a dataset that a recipe can name."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from echokit.cohort.cohort import Cohort
from echokit.cohort.echonet_dynamic import EchonetDynamic
from echokit.fingerprint import code_hash, digest
from echokit.progress import display
from echokit.workspace import workspace


class Phantom:
    """Synthetic beating hearts, made once and then read like a real dataset. Every result is stamped PHANTOM DATA.

    Args:
        layout: Which dataset's layout is written.
        cases: Number of videos.
        ef: Distribution of the ejection fraction: as in EchoNet-Dynamic, or wide, with few near the cut-off.
        seed: Seed of the hearts; the same seed gives the same bytes.
    """

    def __init__(
        self,
        *,
        layout: Literal["echonet_dynamic"] = "echonet_dynamic",
        cases: Annotated[int, Field(ge=6)] = 224,
        ef: Literal["realistic", "wide"] = "realistic",
        seed: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        self.layout = layout
        self.cases = cases
        self.ef: Literal["realistic", "wide"] = ef
        self.seed = seed

    def __call__(self) -> Cohort:
        """Make the videos unless they are there, and read them."""
        from echokit.phantom.layout import write_phantom

        key = digest([self.layout, self.cases, self.ef, self.seed, code_hash("echokit.phantom.layout")])
        root = workspace() / "phantom" / key
        if not root.exists():
            with display().task("Making phantom hearts", self.cases) as advance:
                write_phantom(root, cases=self.cases, seed=self.seed, ef=self.ef, advance=advance)
        return EchonetDynamic(root=str(root))()
