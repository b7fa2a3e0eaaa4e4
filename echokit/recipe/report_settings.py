"""Settings of ``report`` in a recipe."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ReportSettings(BaseModel):
    """Settings of the report of a finished run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Annotated[bool, Field(description="Write report.html.")] = True
    cases: Annotated[
        int,
        Field(
            ge=0,
            le=24,
            description="Number of the most wrong and of the most certain cases to show; frames of real patients are "
            "shown only by `echokit report RUN --frames`.",
        ),
    ] = 4
