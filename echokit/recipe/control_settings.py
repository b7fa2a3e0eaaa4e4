"""Settings of ``controls`` in a recipe; without torch, as validation must not import it."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ControlSettings(BaseModel):
    """Negative controls and baselines, trained and tested in the same folds."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    permutations: int = Field(
        0,
        ge=0,
        le=100_000,
        description="Permutations of the labels over the patients; the whole training and hyperparameter search is "
        "repeated on each. Frozen backbones only.",
    )
    permutation_repeats: int = Field(
        1,
        ge=1,
        le=100_000,
        description="Splits of the cohort in which each permutation, and the true labels, are tested.",
    )
    covariates: dict[str, Annotated[tuple[str, ...], Field(min_length=1, strict=False)]] = Field(
        default_factory=dict,
        description="Columns of the cohort by the name of the control: a logistic regression on them, without videos.",
    )
    predicted_ef: bool = Field(
        False, description="The prediction of the initial weights' own head alone, such as a reduced EF."
    )
    single_frame: bool = Field(
        False,
        description="The same training on the first frame repeated, without motion. Frozen backbones only.",
    )
