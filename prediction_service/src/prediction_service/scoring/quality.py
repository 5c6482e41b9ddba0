"""The quality check of a vector: replaces stored values that are too old, or of a wrong type or range, by None."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from shared_schemas import Feature


def _checked_type(feature: Feature) -> Any:
    if feature.categories is not None:
        return Literal[feature.categories] | None
    if feature.type == "flag":
        return Annotated[int, Field(ge=0, le=1)] | None
    field = Field(
        ge=feature.minimum,
        gt=feature.exclusive_minimum,
        le=feature.maximum,
        lt=feature.exclusive_maximum,
        allow_inf_nan=None if feature.type == "integer" else False,
    )
    return (Annotated[int, field] if feature.type == "integer" else Annotated[float, field]) | None


class Quality(NamedTuple):
    """The result of a check. `values`: in the order of the model's inputs; None if missing, failed or stale.

    The value of a category is its position in the categories of the model's definition.
    """

    values: tuple[float | None, ...]
    failed: list[str]
    missing: list[str]
    stale: list[str]


def _getter(names: Sequence[str]) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function that gets the values of these keys."""
    return itemgetter(*names) if len(names) > 1 else lambda stored: tuple(stored[name] for name in names)


class QualityCheck:
    """Checks vectors against the definitions that a model was trained with."""

    def __init__(self, inputs: Sequence[Feature]) -> None:
        self._names = tuple(feature.name for feature in inputs)
        self._values_of = _getter(self._names)
        # Validate a tuple: an instance of a Pydantic model takes three times as long.
        types: Any = tuple[tuple(_checked_type(feature) for feature in inputs)]  # type: ignore[misc]  # known at run time only
        self._validate = TypeAdapter(types, config=ConfigDict(strict=True)).validator.validate_python
        self._codes = [
            (position, {category: float(code) for code, category in enumerate(feature.categories)})
            for position, feature in enumerate(inputs)
            if feature.categories is not None
        ]
        self._longest = [
            (position, timedelta(days=feature.max_age_days))
            for position, feature in enumerate(inputs)
            if feature.max_age_days is not None
        ]

    def stored(self, vector: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the inputs, by name."""
        return {name: vector[name] for name in self._names}

    def check(self, stored: Mapping[str, Any], now: datetime | None = None) -> Quality:
        """Check stored values, and with `now` their age. The result's `missing` names null, failed and stale values."""
        values = self._values_of(stored)
        failed: list[str] = []
        try:
            self._validate(values)
        except ValidationError as found:
            wrong = {error["loc"][0] for error in found.errors(include_url=False, include_context=False)}
            failed = [name for position, name in enumerate(self._names) if position in wrong]
            values = tuple(None if position in wrong else value for position, value in enumerate(values))
        stale: list[str] = []
        if self._longest and now is not None and (old := self._stale(stored, values, now)):
            stale = [self._names[position] for position in old]
            values = tuple(None if position in old else value for position, value in enumerate(values))
        missing = (
            [name for name, value in zip(self._names, values, strict=True) if value is None] if None in values else []
        )
        return Quality(self._coded(values) if self._codes else values, failed, missing, stale)

    def _coded(self, values: tuple[Any, ...]) -> tuple[float | None, ...]:
        """The values, with each category replaced by its position."""
        usable = [*values]
        for position, codes in self._codes:
            if usable[position] is not None:
                usable[position] = codes[usable[position]]
        return tuple(usable)

    def _stale(self, stored: Mapping[str, Any], values: Sequence[Any], now: datetime) -> list[int]:
        """Positions of the values whose event is too old."""
        event: datetime | None = stored.get("event_timestamp")
        if event is None:
            return []
        own: Mapping[str, datetime] = stored.get("feature_timestamps") or {}
        return [
            position
            for position, longest in self._longest
            if values[position] is not None and now - own.get(self._names[position], event) > longest
        ]
