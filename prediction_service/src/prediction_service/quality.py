"""The quality check of a vector: which stored values are of their type and range, and what stands in for the others."""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from shared_schemas import FEATURE_NAMES, FEATURES, FeatureDefinition


def _checked_type(feature: FeatureDefinition) -> Any:
    field = Field(
        ge=feature.minimum,
        gt=feature.exclusive_minimum,
        le=feature.maximum,
        allow_inf_nan=None if feature.type == "integer" else False,
    )
    return (Annotated[int, field] if feature.type == "integer" else Annotated[float, field]) | None


CheckedValues: type[BaseModel] = create_model(  # type: ignore[call-overload]  # fields are known at run time only
    "CheckedValues",
    __config__=ConfigDict(strict=True, frozen=True),
    __doc__="The five values, each of its type and in its range, or null. Made from the feature definitions.",
    **{feature.name: (_checked_type(feature), ...) for feature in FEATURES},
)

_check = CheckedValues.__pydantic_validator__.validate_python


class Quality(NamedTuple):
    """What the check found. `values`: in the order of the model's inputs, None for each that is missing or failed."""

    values: tuple[float | None, ...]
    failed: list[str]
    missing: list[str]


def check(stored: Mapping[str, Any]) -> Quality:
    """Check the five stored values. One that fails counts as missing: `missing` names all that were null or failed."""
    values = {name: stored[name] for name in FEATURE_NAMES}
    failed: list[str] = []
    try:
        _check(values)
    except ValidationError as found:
        wrong = {error["loc"][0] for error in found.errors(include_url=False, include_context=False)}
        failed = [name for name in FEATURE_NAMES if name in wrong]
        values.update(dict.fromkeys(failed))
    usable = tuple(values.values())
    missing = [name for name, value in values.items() if value is None]
    return Quality(usable, failed, missing)
