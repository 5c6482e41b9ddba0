"""Bodies with features: vectors, definitions, and answers to writes."""

from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from shared_schemas.clients import ClientId
from shared_schemas.feature_sets import MAX_FEATURES, Feature
from shared_schemas.instants import Instant


class FeatureDefinitions(BaseModel):
    """The feature set in force."""

    version: str = Field(description="Raised with every change of the set.")
    name: str
    digest: str = Field(description="SHA-256 of the set, in hexadecimal; the ETag of this answer.")
    features: tuple[Feature, ...] = Field(description="In the order of vectors and of the inputs of models.")
    retained: tuple[Feature, ...] = Field(
        default=(), description="Older versions that are still served if a request names them, as `name@version`."
    )


class FeatureVector(BaseModel):
    """The features of one client: one key for each feature of the set in force, and the instant of the latest event.

    A reader ignores keys that it does not know, because a newer peer may send them.
    """

    model_config = ConfigDict(extra="allow")

    client_id: ClientId
    event_timestamp: AwareDatetime = Field(description="The instant of the latest event in the vector (RFC 3339).")
    feature_timestamps: dict[str, AwareDatetime] | SkipJsonSchema[None] = Field(
        default=None,
        description="For each feature whose latest event is older than `event_timestamp`, its instant. Absent if there is none.",
    )


class SelectedVector(FeatureVector):
    """A vector of the requested features: all of the set, or those that the request names."""


class FeatureBatchRequest(BaseModel):
    """A request for the vectors of many clients. Keys that are not known are ignored: a newer peer may send them."""

    client_ids: list[ClientId]
    as_of: Instant | None = Field(default=None, description="Answer as it stood at this instant; null is now.")
    features: Annotated[list[str], Field(max_length=MAX_FEATURES)] | None = Field(
        default=None,
        description="The features to answer with, as `name` or `name@version`, in this order; null is all of the set.",
    )


class FeatureBatch(BaseModel):
    """Vectors in the order of the request; a repeated id has a vector each time. Unknown ids are in `not_found`."""

    features: list[SelectedVector]
    not_found: list[ClientId]


class FeaturePage(BaseModel):
    """A page of vectors, in the order of the client ids."""

    features: list[SelectedVector]
    next_after: ClientId | None = Field(description="The `after` of the next page; null on the last one.")
    selection: list[str] | SkipJsonSchema[None] = Field(
        default=None,
        description="The features that the request named. Absent if it named none, and from a release that has no such parameter.",
    )


class FeatureWritten(BaseModel):
    """The result of a write."""

    applied: bool = Field(description="Whether the write is the latest event of at least one feature.")
    reason: Literal["stale"] | SkipJsonSchema[None] = Field(
        default=None, description="`stale`: for all features that the write names there are newer events."
    )
    stale: list[str] | SkipJsonSchema[None] = Field(
        default=None, description="The features for which there are newer events, if the write counts for others."
    )
