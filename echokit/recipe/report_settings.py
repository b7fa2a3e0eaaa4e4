"""What a recipe says of its report."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ReportSettings(BaseModel):
    """What is made of a finished run for people to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Annotated[bool, Field(description="Write report.html.")] = True
    cases: Annotated[
        int,
        Field(
            ge=0,
            le=24,
            description="How many of the most wrong and of the most certain cases are shown; frames of real patients "
            "only by `echokit report RUN --frames`.",
        ),
    ] = 4
