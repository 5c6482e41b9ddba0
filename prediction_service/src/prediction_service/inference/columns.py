"""Converts columns of values into vectors with the inputs of a model."""

from collections.abc import Mapping, Sequence
from sys import float_info
from typing import Any

from prediction_service.inference.refused import refused
from prediction_service.versions.artefact import Manifest
from shared_schemas import Feature

_INT64 = 2**63


def vectors_of(manifest: Manifest, columns: Mapping[str, Sequence[Any]], rows: int) -> list[dict[str, Any]]:
    """Return one vector per row, equal to that of POST /credit_risk; None is a missing value.

    An input without a column is missing. A feature of the set that the model does not read is ignored. Raises
    InvalidRequest for a column that is no feature, and for a value that does not have the type of its feature.
    """
    if not columns.keys() <= {feature.name for feature in manifest.features}:
        raise refused("#", "An input is not a feature of the model")
    missing: Sequence[Any] = [None] * rows
    by_name: dict[str, Sequence[Any]] = {
        feature.name: _typed(feature, columns[feature.name]) if feature.name in columns else missing
        for feature in manifest.inputs
    }
    names = [*by_name, "event_timestamp"]
    return [dict(zip(names, values, strict=True)) for values in zip(*by_name.values(), missing, strict=True)]


def _typed(feature: Feature, values: Sequence[Any]) -> list[Any]:
    if feature.type == "category":
        if not all(value is None or isinstance(value, str) for value in values):
            raise refused(f"#/{feature.name}", "A category must be a text")
        return [value or None for value in values]
    if any(isinstance(value, str) for value in values):
        raise refused(f"#/{feature.name}", "A value is not a number")
    if not feature.whole:
        if not all(value is None or abs(value) <= float_info.max for value in values):
            raise refused(f"#/{feature.name}", "A number must be finite; NaN and null are missing values")
        return list(values)
    return [_whole(feature, value) for value in values]


def _whole(feature: Feature, value: float | None) -> int | None:
    if value is None:
        return None
    if not -_INT64 <= value < _INT64 or value != int(value):
        raise refused(f"#/{feature.name}", "A value is not a 64-bit integer; NaN and null are missing values")
    return int(value)
