"""Validation of written values, and the JSON Schemas of vectors and writes, made from a feature set."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NotRequired

from pydantic import AfterValidator, AwareDatetime, ConfigDict, Field, TypeAdapter, WithJsonSchema, with_config
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict  # Pydantic asks for this one below Python 3.12

from shared_schemas.clients import ClientId
from shared_schemas.feature_sets import Feature
from shared_schemas.instants import Instant

_INT64 = 2**63
_TOLERANCE = timedelta(days=1)
REF_TEMPLATE = "#/components/schemas/{model}"

FeatureWrite = dict[str, Any]
"""`event_timestamp` and the written features. An absent feature keeps its stored value; null makes the value unknown."""


def _not_in_the_future(instant: datetime) -> datetime:
    if instant > datetime.now(UTC) + _TOLERANCE:
        raise PydanticCustomError("instant_in_future", "The instant should be at most one day ahead")
    return instant


EventInstant = Annotated[
    Instant,
    AfterValidator(_not_in_the_future),
    Field(description="The instant of the event (RFC 3339, with a time zone)."),
]


def _says_something(write: FeatureWrite) -> FeatureWrite:
    if len(write) == 1:
        raise PydanticCustomError("nothing_written", "Name at least one feature")
    return write


def write_adapter(features: Iterable[Feature]) -> TypeAdapter[FeatureWrite]:
    """A validator of writes: types, ranges and categories of these features. Other names are refused."""
    values = {feature.name: NotRequired[_described(feature, _writable(feature))] for feature in features}
    body: Any = TypedDict("FeatureWrite", {"event_timestamp": EventInstant, **values})  # type: ignore[misc] # known at run time only
    checked: Any = Annotated[with_config(ConfigDict(extra="forbid"))(body), AfterValidator(_says_something)]
    return TypeAdapter(checked)


def write_schema(adapter: TypeAdapter[FeatureWrite]) -> dict[str, Any]:
    """The JSON Schema of the writes that `adapter` accepts."""
    return adapter.json_schema(ref_template=REF_TEMPLATE) | {"minProperties": 2}


def vector_schema(features: Iterable[Feature]) -> dict[str, Any]:
    """The JSON Schema of a vector. It has no ranges, because imported values are served unchanged."""
    return _vector_schema("FeatureVector", {feature.name: _readable(feature) for feature in features})


def selected_schema(features: Iterable[Feature]) -> dict[str, Any]:
    """The JSON Schema of a vector of some of these features."""
    return _vector_schema("SelectedVector", {feature.name: NotRequired[_readable(feature)] for feature in features})


def _vector_schema(name: str, values: dict[str, Any]) -> dict[str, Any]:
    body = TypedDict(name, {"client_id": ClientId, **values, "event_timestamp": _OF_VECTOR, **_TIMES})  # type: ignore[misc] # as above
    return TypeAdapter(body).json_schema(ref_template=REF_TEMPLATE)


def _readable(feature: Feature) -> Any:
    return _described(feature, _TYPES.get(feature.type) or _category(feature))


_OF_VECTOR = Annotated[AwareDatetime, Field(description="The instant of the latest event in the vector (RFC 3339).")]
_TIMES: dict[str, Any] = {
    "feature_timestamps": NotRequired[
        Annotated[
            dict[str, AwareDatetime],
            Field(
                description="For each feature whose latest event is older than `event_timestamp`, its instant. Absent if there is none."
            ),
        ]
    ]
}

Integer = Annotated[int, Field(strict=True, ge=-_INT64, lt=_INT64)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
_TYPES: dict[str, Any] = {"integer": Integer, "number": Number, "flag": Integer}


def _described(feature: Feature, kind: Any) -> Any:
    unit = f" Unit: {feature.unit}." if feature.unit else ""
    return Annotated[kind | None, Field(description=f"{feature.description}{unit}")]


def _writable(feature: Feature) -> Any:
    match feature.type:
        case "category":
            return _category(feature)
        case "flag":
            return Annotated[int, Field(strict=True, ge=0, le=1)]
        case "integer":
            return Annotated[int, _bounds(feature)]
        case "number":
            return Annotated[float, _bounds(feature)]


def _bounds(feature: Feature) -> Any:
    def of(bound: float | None) -> float | int | None:
        return int(bound) if bound is not None and feature.whole and bound.is_integer() else bound

    least, most = of(feature.minimum), of(feature.maximum)
    above, below = of(feature.exclusive_minimum), of(feature.exclusive_maximum)
    if feature.whole:
        least = -_INT64 if least is None and above is None else least
        most = _INT64 - 1 if most is None and below is None else most
    return Field(strict=True, ge=least, gt=above, le=most, lt=below, allow_inf_nan=None if feature.whole else False)


def _category(feature: Feature) -> Any:
    categories = feature.categories or ()
    known = frozenset(categories)

    def in_list(value: str) -> str:
        if value not in known:
            raise PydanticCustomError("category_unknown", "Input should be one of the categories of this feature")
        return value

    schema = WithJsonSchema({"type": "string", "enum": list(categories)})
    return Annotated[str, Field(strict=True), AfterValidator(in_list), schema]
