"""What a write is answered with."""

from typing import Literal

from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema


class FeatureWritten(BaseModel):
    """Whether a write was applied, and why not."""

    applied: bool = Field(description="Whether it counts for at least one feature now.")
    reason: Literal["stale"] | SkipJsonSchema[None] = Field(
        default=None, description="`stale`: newer events speak of all features that it names."
    )
    stale: list[str] | SkipJsonSchema[None] = Field(
        default=None, description="The features that newer events speak of, where it counts for others."
    )
