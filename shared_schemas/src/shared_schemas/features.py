"""Bodies that carry features, what a write is answered with, and definitions."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from shared_schemas.clients import ClientId
from shared_schemas.feature_sets import MAX_FEATURES, Feature
from shared_schemas.instants import Instant


class FeatureDefinitions(BaseModel):
    """The feature set that is served."""

    version: str = Field(description="Raised with every change of the set.")
    name: str
    digest: str = Field(description="SHA-256 of the set, in hexadecimal; the ETag of this answer.")
    features: tuple[Feature, ...] = Field(description="In the order of vectors and of the inputs of models.")
    retained: tuple[Feature, ...] = Field(
        default=(), description="Older versions that are still served to those who ask for them, as `name@version`."
    )


class FeatureVector(BaseModel):
    """The features of one client, one key a feature of the set that is served, and the instant of the latest event.

    A reader takes vectors of newer peers too: it ignores keys that it does not know.
    """

    model_config = ConfigDict(extra="allow")

    client_id: ClientId
    event_timestamp: AwareDatetime = Field(
        description="When the latest event happened that the vector is of (RFC 3339)."
    )
    feature_timestamps: dict[str, AwareDatetime] | SkipJsonSchema[None] = Field(
        default=None,
        description="Instants of the features whose event is older than `event_timestamp`. Absent if there are none.",
    )


class SelectedVector(FeatureVector):
    """As FeatureVector, of the features that were asked for: all of the set, or those that were named."""


class FeatureBatchRequest(BaseModel):
    """Which vectors are wanted. Keys of newer peers are ignored."""

    client_ids: list[ClientId]
    as_of: Instant | None = Field(default=None, description="Answer as it stood at this instant; null is now.")
    features: Annotated[list[str], Field(max_length=MAX_FEATURES)] | None = Field(
        default=None,
        description="Which features, as `name` or `name@version`, in the order of the answer; null is all of the set.",
    )


class FeatureBatch(BaseModel):
    """Vectors in the order of the request, an id that was asked for twice twice; ids without a vector stand apart."""

    features: list[SelectedVector]
    not_found: list[ClientId]


class FeaturePage(BaseModel):
    """Vectors in the order of the ids."""

    features: list[SelectedVector]
    next_after: ClientId | None = Field(description="The `after` of the next page; null on the last one.")
    selection: list[str] | SkipJsonSchema[None] = Field(
        default=None,
        description="The features that were asked for. Absent if none were named, and from a release that knows no such question.",
    )


class FeatureWritten(BaseModel):
    """Whether a write was applied, and why not."""

    applied: bool = Field(description="Whether it counts for at least one feature now.")
    reason: Literal["stale"] | SkipJsonSchema[None] = Field(
        default=None, description="`stale`: newer events speak of all features that it names."
    )
    stale: list[str] | SkipJsonSchema[None] = Field(
        default=None, description="The features that newer events speak of, where it counts for others."
    )
