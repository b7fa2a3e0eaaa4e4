"""Settings of ``model.weights`` in a recipe; without torch, so that a recipe is checked fast."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

RUN = "run:"
FILES = (".safetensors", ".pt", ".pth", ".pyth", ".ckpt", ".tar")


class WeightSettings(BaseModel):
    """Source of the initial weights; plain text is short for ``{use: text}``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    use: Annotated[
        str,
        Field(
            description="run:NAME (its newest run), run:NAME#fold-2 or run:DIRECTORY; a file (safetensors, or .pt and "
            ".pth read without running code); or a tag of the backbone's library, such as kinetics400.",
        ),
    ]
    head: Annotated[
        Literal["new", "keep"],
        Field(description="new: the last layer is initialised at random; keep: it is loaded too."),
    ] = "new"
    norm: Annotated[
        Literal["keep", "new"],
        Field(
            description="keep: clips are normalised as in the training of the weights, if their file has the numbers; "
            "new: by the training set of this run."
        ),
    ] = "keep"

    @field_validator("use")
    @classmethod
    def _check_use(cls, use: str) -> str:
        if use.startswith(RUN) and not re.fullmatch(r"run:[^#]*[^#/\s][^#]*(#fold-\d+)?", use):
            raise ValueError("write run:NAME, run:NAME#fold-2 or run:DIRECTORY")
        if not use.strip():
            raise ValueError("name a run, a file or a tag")
        return use

    @property
    def kind(self) -> Literal["run", "file", "tag"]:
        """Return what `use` names."""
        if self.use.startswith(RUN):
            return "run"
        return "file" if "/" in self.use or self.use.lower().endswith(FILES) else "tag"

    @property
    def run(self) -> str:
        """Return the name or directory of the run."""
        return self.use.removeprefix(RUN).partition("#")[0]

    @property
    def fold(self) -> int | None:
        """Return the number of the fold, if given."""
        number = self.use.partition("#fold-")[2]
        return int(number) if self.kind == "run" and number else None
