"""From what the store holds about clients to their vectors. Pure: no database, no clock."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from shared_schemas import Feature

Vector = dict[str, Any]
"""client_id, the values by name, event_timestamp (RFC 3339), and feature_timestamps where some are older: as JSON has them."""


class Day(dict[str, int | None]):
    """A date in UTC; `day[since]` are the whole years completed at it since an ISO date, None if that is later.

    Years from 29 February complete on 1 March of other years. Many clients have one date: the years are kept.
    """

    def __init__(self, year: int, month: int, day: int) -> None:
        super().__init__()
        self._year = year
        self._month_and_day = f"{month:02}-{day:02}"
        self._text = f"{year:04}-{month:02}-{day:02}"

    def __missing__(self, since: str) -> int | None:
        years = self._completed(since)
        if len(self) < _MOST_KEPT:
            self[since] = years
        return years

    def _completed(self, since: str) -> int | None:
        if since > self._text or len(since) != len(self._text):  # a year of five digits is later than any day
            return None
        return self._year - int(since[:4]) - (self._month_and_day < since[5:])


_MOST_KEPT = 40_000
"""Dates of a day, which are those of a hundred years; instants. Some megabytes each."""

_day = lru_cache(maxsize=8)(Day)


def day_of(instant: datetime) -> Day:
    """The date of an instant, in UTC."""
    instant = instant.astimezone(UTC)
    return _day(instant.year, instant.month, instant.day)


class _Instants(dict[bytes, str]):
    """Instants as RFC 3339 by what PostgreSQL sends. Many vectors have one instant: the texts are kept."""

    def __missing__(self, sent: bytes) -> str:
        instant = _EPOCH + timedelta(microseconds=int.from_bytes(sent, signed=True))
        text = orjson.dumps(instant, option=orjson.OPT_UTC_Z)[1:-1].decode()
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[sent] = text
        return text


_instants = _Instants()


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL sends an instant as microseconds since this one, in eight bytes."""


class Layout:
    """Which values stand in a vector, under which names and in which order."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.names_by_key: Mapping[str, str] = {feature.key: feature.name for feature in features}
        self.blank: Vector = dict.fromkeys(["client_id", *self.names_by_key.values(), "event_timestamp"])
        self.numbers = tuple(feature.name for feature in features if feature.type == "number")
        self.dates = tuple(feature.name for feature in features if feature.completed_years_since)
        keys_are_names = all(key == name for key, name in self.names_by_key.items())
        self.size = len(self.blank) if keys_are_names else None
        """Of a vector that values by key can be put into as they are."""

    def filled(self, said: dict[str, Any]) -> Vector:
        """The values by name, null where nothing is known, with places for the client and the instant around them."""
        return self.blank | {name: said.get(key) for key, name in self.names_by_key.items()}

    def number(self, name: str, value: int, text: str) -> float:
        """The number that was written as this integer."""
        if value or "-0" not in text:
            return float(value)
        key = next(key for key, named in self.names_by_key.items() if named == name)
        return float(json.loads(text, parse_int=float)[key])  # PostgreSQL writes -0.0 as -0, an integer to others


def read_rows(rows: Sequence[Sequence[Any]], layout: Layout, days: Iterable[Day]) -> list[Vector]:
    """The vector of each row: numbers as they were written, ages at its day.

    A row: client_id, event_timestamp as PostgreSQL sends it, v (JSON of the values by key), times (JSON of instants by key, or
    None); what stands behind them is not read. Raises ValueError where the JSON of a row is none.
    """
    if not rows:
        return []
    # By columns, and parsed in one go: a call for each row takes as long as reading its values.
    client_ids, instants, texts, times, *_ = zip(*rows, strict=True)
    said = orjson.loads(f"[{','.join(texts)}]")
    if len(said) != len(rows):
        raise ValueError("a stored vector is not one JSON value")
    blank, size, dates, numbers = layout.blank, layout.size, layout.dates, layout.numbers
    vectors = []
    for client_id, instant, text, older, values, day in zip(
        client_ids, instants, texts, times, said, days, strict=False
    ):
        # Nearly always the keys are the names of all features, or of some.
        vector = blank | values
        if len(vector) != size:
            vector = layout.filled(values)
        for name in dates:
            if type(value := vector[name]) is dict:
                vector[name] = day[value["since"]]
        for name in numbers:
            if type(value := vector[name]) is int:
                vector[name] = layout.number(name, value, text)
        vector["client_id"] = client_id
        vector["event_timestamp"] = _instants[instant]
        if older is not None and (named := _named(orjson.loads(older), layout)):
            vector["feature_timestamps"] = named
        vectors.append(vector)
    return vectors


def _named(times: dict[str, str], layout: Layout) -> dict[str, str]:
    return {name: times[key] for key, name in layout.names_by_key.items() if key in times}


def encode(vector: Vector) -> bytes:
    """Its JSON."""
    return orjson.dumps(vector)


def encode_batch(client_ids: Sequence[int], vectors: Mapping[int, Vector]) -> bytes:
    """The JSON of a batch: vectors in the order of the ids, and the ids that have none."""
    found = [vectors[client_id] for client_id in client_ids if client_id in vectors]
    return orjson.dumps({"features": found, "not_found": [one for one in client_ids if one not in vectors]})


def encode_page(vectors: Sequence[Vector], next_after: int | None, selection: Sequence[str] | None) -> bytes:
    """The JSON of a page, with the features that were asked for where some were."""
    page = {"features": vectors, "next_after": next_after}
    return orjson.dumps(page if selection is None else page | {"selection": selection})
