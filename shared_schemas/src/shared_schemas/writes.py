"""The bodies that write features, with the checks that a stored value must pass."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared_schemas.features import FEATURES, Number
from shared_schemas.instants import Instant

_INT32 = 2**31

_Whole = Annotated[int, Field(strict=True)]


def _writable(name: str) -> Any:
    """The field of a value that must be in its range, and fit into its column, to be stored."""
    definition = next(feature for feature in FEATURES if feature.name == name)
    largest = definition.maximum
    if largest is None and definition.type == "integer":
        largest = _INT32 - 1
    return Field(
        default=None,
        description=f"{definition.description} Unit: {definition.unit}.",
        ge=definition.minimum,
        gt=definition.exclusive_minimum,
        le=largest,
    )


class FeatureWrite(BaseModel):
    """What is new about a client. A value that is absent keeps what is stored; an explicit null makes it unknown."""

    model_config = ConfigDict(extra="forbid")

    event_timestamp: Instant = Field(
        description="When the event happened that the values are of (RFC 3339, with a zone)."
    )
    nb_previous_loans: _Whole | None = _writable("nb_previous_loans")
    avg_amount_loans_previous: Number | None = _writable("avg_amount_loans_previous")
    age: _Whole | None = _writable("age")
    years_on_the_job: _Whole | None = _writable("years_on_the_job")
    flag_own_car: _Whole | None = _writable("flag_own_car")


class FeatureWritten(BaseModel):
    """Whether a write was applied, and why not."""

    applied: bool
    reason: Literal["stale"] | None = Field(default=None, description="`stale`: a newer vector is stored.")
