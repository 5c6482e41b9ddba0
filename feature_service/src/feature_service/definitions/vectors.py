"""From what the store holds about one client to the bytes of its vector. Pure: no database, no clock."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from shared_schemas import Feature


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
"""Dates of a day: those of a hundred years. Some megabytes."""

_day = lru_cache(maxsize=8)(Day)


def day_of(instant: datetime) -> Day:
    """The date of an instant, in UTC."""
    instant = instant.astimezone(UTC)
    return _day(instant.year, instant.month, instant.day)


@lru_cache(maxsize=16_384)
def _rfc_3339(sent: bytes) -> str:
    instant = _EPOCH + timedelta(microseconds=int.from_bytes(sent, signed=True))
    return orjson.dumps(instant, option=orjson.OPT_UTC_Z)[1:-1].decode()


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""PostgreSQL sends an instant as microseconds since this one, in eight bytes."""


class Layout:
    """Which values stand in a vector, under which names and in which order."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.names_by_key: Mapping[str, str] = {feature.key: feature.name for feature in features}
        self._blank: dict[str, Any] = dict.fromkeys(["client_id", *self.names_by_key.values(), "event_timestamp"])
        self.numbers = tuple(feature.name for feature in features if feature.type == "number")
        self.dates = tuple(feature.name for feature in features if feature.completed_years_since)
        self._keys_are_names = all(key == name for key, name in self.names_by_key.items())

    def filled(self, said: dict[str, Any]) -> dict[str, Any]:
        """The values by name, null where nothing is known, with places for the client and the instant around them."""
        if self._keys_are_names:
            vector = self._blank | said
            if len(vector) == len(self._blank):
                return vector
        return self._blank | {name: said.get(key) for key, name in self.names_by_key.items()}

    def number(self, name: str, value: int, text: str) -> float:
        """The number that was written as this integer."""
        if value or "-0" not in text:
            return float(value)
        key = next(key for key, named in self.names_by_key.items() if named == name)
        return float(json.loads(text, parse_int=float)[key])  # PostgreSQL writes -0.0 as -0, an integer to others


def encode(row: Iterable[Any], layout: Layout, day: Day) -> bytes:
    """The JSON of one vector: numbers as they were written, ages at `day`.

    `row`: client_id, event_timestamp as PostgreSQL sends it, v (JSON of the values by key), times (JSON of instants by key, or
    None).
    """
    client_id, event_timestamp, text, times = row
    vector = layout.filled(orjson.loads(text))
    for name in layout.dates:
        if type(value := vector[name]) is dict:
            vector[name] = day[value["since"]]
    for name in layout.numbers:
        if type(value := vector[name]) is int:
            vector[name] = layout.number(name, value, text)
    vector["client_id"] = client_id
    vector["event_timestamp"] = _rfc_3339(event_timestamp)
    if times is not None and (older := _named(orjson.loads(times), layout)):
        vector["feature_timestamps"] = older
    return orjson.dumps(vector)


def _named(times: dict[str, str], layout: Layout) -> dict[str, str]:
    return {name: times[key] for key, name in layout.names_by_key.items() if key in times}


def encode_batch(client_ids: Sequence[int], vectors: Mapping[int, bytes]) -> bytes:
    """The JSON of a batch: vectors in the order of the ids, and the ids that have none."""
    found = b",".join(vectors[client_id] for client_id in client_ids if client_id in vectors)
    missing = [client_id for client_id in client_ids if client_id not in vectors]
    return b'{"features":[' + found + b'],"not_found":' + orjson.dumps(missing) + b"}"
