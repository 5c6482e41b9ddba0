"""The five features: their one definition, and the bodies that carry them."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from shared_schemas.clients import ClientId
from shared_schemas.instants import Instant

_INT64 = 2**63


class FeatureDefinition(BaseModel):
    """What a feature means and which values it may take. A missing bound is no bound."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: Literal["integer", "number"]
    unit: str
    minimum: float | None = None
    exclusive_minimum: float | None = None
    maximum: float | None = None
    description: str
    source_columns: tuple[str, ...] = Field(description="Columns of the raw loans that the value is computed from.")
    owner: str = Field(default="credit-risk", description="Who answers for the definition.")


FEATURES: tuple[FeatureDefinition, ...] = (
    FeatureDefinition(
        name="nb_previous_loans",
        type="integer",
        unit="loans",
        minimum=0,
        description="Number of the client's loans dated strictly before the most recent one.",
        source_columns=("id", "loan_id", "loan_date"),
    ),
    FeatureDefinition(
        name="avg_amount_loans_previous",
        type="number",
        unit="currency units",
        minimum=0,
        description="Mean amount of those earlier loans; null if there are none.",
        source_columns=("id", "loan_date", "loan_amount"),
    ),
    FeatureDefinition(
        name="age",
        type="integer",
        unit="completed years",
        exclusive_minimum=0,
        maximum=100,
        description="Age of the client on the reference date.",
        source_columns=("birthday",),
    ),
    FeatureDefinition(
        name="years_on_the_job",
        type="integer",
        unit="completed years",
        minimum=0,
        maximum=100,
        description="Time in the current job on the reference date; null if the client has none.",
        source_columns=("job_start_date",),
    ),
    FeatureDefinition(
        name="flag_own_car",
        type="integer",
        unit="flag",
        minimum=0,
        maximum=1,
        description="1 if the client owns a car, 0 if not.",
        source_columns=("flag_own_car",),
    ),
)
"""In the order of the model's inputs."""

FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)

DEFINITIONS_VERSION = "1"
"""Raised whenever a definition above changes its meaning."""


class FeatureDefinitions(BaseModel):
    """Every feature of the store, and the version of the set."""

    version: str
    features: tuple[FeatureDefinition, ...]


def feature_definitions() -> FeatureDefinitions:
    return FeatureDefinitions(version=DEFINITIONS_VERSION, features=FEATURES)


def _field(name: str, *, required: bool = False) -> Any:
    definition = next(feature for feature in FEATURES if feature.name == name)
    return Field(default=... if required else None, description=f"{definition.description} Unit: {definition.unit}.")


Integer = Annotated[int, Field(strict=True, ge=-_INT64, lt=_INT64)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class FeatureValues(BaseModel):
    """The values of the five features, without a client. Null is "unknown"; ranges are the quality check's business."""

    model_config = ConfigDict(extra="forbid")

    nb_previous_loans: Integer | None = _field("nb_previous_loans")
    avg_amount_loans_previous: Number | None = _field("avg_amount_loans_previous")
    age: Integer | None = _field("age")
    years_on_the_job: Integer | None = _field("years_on_the_job")
    flag_own_car: Integer | None = _field("flag_own_car")


class FeatureVector(BaseModel):
    """The features of one client and the instant of the event that they are of.

    A reader takes vectors of newer peers too: what it does not know is ignored.
    """

    client_id: ClientId
    nb_previous_loans: Integer | None = _field("nb_previous_loans", required=True)
    avg_amount_loans_previous: Number | None = _field("avg_amount_loans_previous", required=True)
    age: Integer | None = _field("age", required=True)
    years_on_the_job: Integer | None = _field("years_on_the_job", required=True)
    flag_own_car: Integer | None = _field("flag_own_car", required=True)
    event_timestamp: AwareDatetime = Field(description="When the event happened that the vector is of (RFC 3339).")


class FeatureBatchRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    client_ids: list[ClientId]
    as_of: Instant | None = Field(default=None, description="Answer as it stood at this instant; null is now.")


class FeatureBatch(BaseModel):
    """Vectors in the order of the request, an id that was asked for twice twice; ids without a vector stand apart."""

    features: list[FeatureVector]
    not_found: list[ClientId]
