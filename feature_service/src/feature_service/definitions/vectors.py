"""Makes vectors from what the store has about clients. Pure: no database, no clock."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson

from shared_schemas import Feature

Vector = dict[str, Any]
"""A vector as a JSON object: client_id, values by name, event_timestamp, and feature_timestamps if some are older."""


class Day(dict[str, int | None]):
    """A date in UTC. `day[since]` is the number of completed years since an ISO date, None if that date is later.

    Years from 29 February complete on 1 March in other years. The years are cached, because many clients share a date.
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
"""Maximum cached dates of one day (a hundred years), and cached instants. Some megabytes each."""

_day = lru_cache(maxsize=8)(Day)


def day_of(instant: datetime) -> Day:
    """The date of an instant, in UTC."""
    instant = instant.astimezone(UTC)
    return _day(instant.year, instant.month, instant.day)


class _Instants(dict[bytes, str]):
    """RFC 3339 texts of instants, by what PostgreSQL sends. They are cached, because many vectors share an instant."""

    def __missing__(self, sent: bytes) -> str:
        instant = _EPOCH + timedelta(microseconds=int.from_bytes(sent, signed=True))
        text = orjson.dumps(instant, option=orjson.OPT_UTC_Z)[1:-1].decode()
        if len(self) >= _MOST_KEPT:
            self.clear()
        self[sent] = text
        return text


_instants = _Instants()


_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""The epoch of PostgreSQL, which sends an instant as microseconds since then, in eight bytes."""


class Layout:
    """Which values a vector contains, under which names and in which order."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.names_by_key: Mapping[str, str] = {feature.key: feature.name for feature in features}
        self.blank: Vector = dict.fromkeys(["client_id", *self.names_by_key.values(), "event_timestamp"])
        self.numbers = tuple(feature.name for feature in features if feature.type == "number")
        self.dates = tuple(feature.name for feature in features if feature.completed_years_since)
        keys_are_names = all(key == name for key, name in self.names_by_key.items())
        self.size = len(self.blank) if keys_are_names else None
        """Whether stored values can be used without renaming or reordering."""

    def filled(self, said: dict[str, Any]) -> Vector:
        """An empty vector: all names with null, and places for the client and the instant."""
        return self.blank | {name: said.get(key) for key, name in self.names_by_key.items()}

    def number(self, name: str, value: int, text: str) -> float:
        """The number that was written as this integer."""
        if value or "-0" not in text:
            return float(value)
        key = next(key for key, named in self.names_by_key.items() if named == name)
        return float(json.loads(text, parse_int=float)[key])  # PostgreSQL writes -0.0 as -0, an integer to others


def read_rows(rows: Sequence[Sequence[Any]], layout: Layout, days: Iterable[Day]) -> list[Vector]:
    """The vector of each row.

    Numbers are as they were written, ages are at the day of the vector. A row has client_id, event_timestamp as
    PostgreSQL sends it, v (JSON of values by key) and times (JSON of instants by key, or None); further columns are
    ignored. Raises ValueError if the JSON of a row is not valid.
    """
    if not rows:
        return []
    # By column, and parsed at once: a call for each row takes as long as reading its values.
    client_ids, instants, texts, times, *_ = zip(*rows, strict=True)
    said = orjson.loads(f"[{','.join(texts)}]")
    if len(said) != len(rows):
        raise ValueError("a stored vector is not one JSON value")
    blank, size, dates, numbers = layout.blank, layout.size, layout.dates, layout.numbers
    vectors = []
    for client_id, instant, text, older, values, day in zip(
        client_ids, instants, texts, times, said, days, strict=False
    ):
        # The keys are nearly always the names of all features, or of some of them.
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
    """The JSON of a vector."""
    return orjson.dumps(vector)


def encode_batch(client_ids: Sequence[int], vectors: Mapping[int, Vector]) -> bytes:
    """The JSON of a batch: vectors in the order of the ids, and the ids without a vector."""
    found = [vectors[client_id] for client_id in client_ids if client_id in vectors]
    return orjson.dumps({"features": found, "not_found": [one for one in client_ids if one not in vectors]})


def encode_page(vectors: Sequence[Vector], next_after: int | None, selection: Sequence[str] | None) -> bytes:
    """The JSON of a page, with the requested features if the request named some."""
    page = {"features": vectors, "next_after": next_after}
    return orjson.dumps(page if selection is None else page | {"selection": selection})
