"""ControlSettings: the ``controls`` of a recipe, what its result has to beat; light, as checking imports no torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ControlSettings(BaseModel):
    """What the result has to beat, trained and tested in the same folds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    permutations: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Shuffles of the labels over the patients; the whole procedure is repeated on each, choices "
        "included. Frozen backbones only.",
    )
    permutation_repeats: int = Field(
        1, ge=1, description="Divisions of the cohort that a shuffle, and the real labels beside it, are tested in."
    )
    covariates: dict[str, Annotated[tuple[str, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict,
        description="Columns of the cohort by the name of the control: a logistic regression on them, without videos.",
    )
    predicted_ef: bool = Field(
        False, description="The answer of the starting weights' own head alone, such as the reduced EF of Stage 1."
    )
    single_frame: bool = Field(
        False,
        description="The same procedure on the first frame in place of all, without motion. Frozen backbones only.",
    )
