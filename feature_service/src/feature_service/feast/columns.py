"""Converts vectors to the columns of a Feast answer. Pure: no database, no clock."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from feature_service.definitions.vectors import Vector
from shared_schemas import Feature

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""The instant that Feast sends for a value without one."""


def columns_of(
    client_ids: Sequence[int], features: Sequence[Feature], vectors: Mapping[int, Vector], now: datetime
) -> list[dict[str, Any]]:
    """The column of the ids, then one column for each feature, in the order of the ids.

    A value is null unless its status is PRESENT, because Feast clients show values whatever their status is.
    """
    rows = [vectors.get(client_id) for client_id in client_ids]
    ids = {"values": list(client_ids), "statuses": ["PRESENT"] * len(rows), "event_timestamps": [_EPOCH] * len(rows)}
    return [ids, *(_column(feature, rows, now) for feature in features)]


def _column(feature: Feature, rows: Sequence[Mapping[str, Any] | None], now: datetime) -> dict[str, Any]:
    longest = timedelta(days=feature.max_age_days) if feature.max_age_days else None
    cells = [_cell(feature.name, longest, row, now) for row in rows]
    values, statuses, instants = zip(*cells, strict=True) if cells else ((), (), ())
    return {"values": values, "statuses": statuses, "event_timestamps": instants}


def _cell(
    name: str, longest: timedelta | None, row: Mapping[str, Any] | None, now: datetime
) -> tuple[Any, str, datetime]:
    if row is None:
        return None, "NOT_FOUND", _EPOCH
    instant = datetime.fromisoformat(row.get("feature_timestamps", {}).get(name) or row["event_timestamp"])
    value = row[name]
    if value is None:
        return None, "NULL_VALUE", instant
    if longest is not None and now - instant > longest:
        return None, "OUTSIDE_MAX_AGE", instant
    return value, "PRESENT", instant
