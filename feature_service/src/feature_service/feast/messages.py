"""Bodies of Feast's protocol, read with any content type. Unknown keys are ignored, as Feast does."""

from codecs import BOM_UTF8
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field, ValidationError

from service_kit.problems import InvalidRequest
from service_kit.request.refusals import invalid_request
from shared_schemas import MAX_CLIENT_ID, InvalidPart, parse_client_id
from shared_schemas.feature_sets import MAX_FEATURES

Message = TypeVar("Message", bound=BaseModel)


def _id(given: object) -> object:
    return parse_client_id(given) if isinstance(given, str) else given


Id = Annotated[int, BeforeValidator(_id), Field(strict=True, ge=1, le=MAX_CLIENT_ID)]
Columns = dict[str, list[Any]]


class Entities(BaseModel):
    """The requested clients, as columns."""

    client_id: list[Id]


class OnlineFeaturesRequest(BaseModel):
    """The body of a read. `features`: view:feature. If a feature service is named, `features` is ignored."""

    entities: Entities
    features: Annotated[list[str], Field(max_length=MAX_FEATURES)] | None = None
    feature_service: str | None = None
    full_feature_names: bool = False
    include_feature_view_version_metadata: bool = False


class PushRequest(BaseModel):
    """The body of a write. `df`: columns of equal length. A push always goes to the online store and the history."""

    push_source_name: str
    df: Columns
    to: Literal["online", "online_and_offline"] = "online"


class WriteRequest(BaseModel):
    feature_view_name: str
    df: Columns


class Column(BaseModel):
    """The values of one name: one element for each client of the request."""

    values: list[Any]
    statuses: list[Literal["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE"]]
    event_timestamps: list[str]


class Names(BaseModel):
    feature_names: list[str]


class OnlineFeatures(BaseModel):
    """The answer: `results[i]` has the values of `metadata.feature_names[i]`; the join key comes first."""

    results: list[Column]
    metadata: Names


def refused(pointer: str, detail: str) -> InvalidRequest:
    return InvalidRequest(errors=[InvalidPart(pointer=pointer, detail=detail)])


def read_message(model: type[Message], body: bytes) -> Message:
    """Parse the body of a request. Raises InvalidRequest."""
    try:
        return model.model_validate_json(body.removeprefix(BOM_UTF8))
    except ValidationError as error:
        raise invalid_request("body", error) from error
