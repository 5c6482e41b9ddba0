"""Entries of the log: the bytes of a record, its listed columns, its salt and commitment."""

import hmac
import os
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson
from asyncpg.pgproto import pgproto

Kind = Literal["decision", "review", "erasure"]

SALT_BYTES = 32


class Listed(NamedTuple):
    """The columns of a record that the database can search. The record holds the same values under the same keys.

    `reviews` is the id of the decision that a review is about.
    """

    decision_id: UUID
    kind: Kind
    decided_at: datetime
    client_id: int | None = None
    decision: str | None = None
    score: int | None = None
    model_version: str | None = None
    origin: str | None = None
    reviews: UUID | None = None


class Entry(NamedTuple):
    listed: Listed
    record: bytes
    salt: bytes
    commitment: bytes


def sealed(listed: Listed, document: Mapping[str, Any]) -> Entry:
    """An entry of the document as JSON bytes, with a new salt. These bytes are stored, committed to and served.

    Ids are written as strings, UTC as Z, keys in their order, without spaces.
    """
    record = orjson.dumps(document, _written_id, option=orjson.OPT_UTC_Z)
    salt = os.urandom(SALT_BYTES)
    return Entry(listed, record, salt, commitment(salt, record))


def _written_id(value: object) -> str:
    """Write an id of the database driver's UUID class: orjson accepts only the standard library's, not subclasses."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError


def commitment(salt: bytes, record: bytes) -> bytes:
    """HMAC-SHA256 of the record with the salt as key: 32 bytes. They reveal nothing of the record and fit no other."""
    return hmac.digest(salt, record, "sha256")


def differing(listed: Listed, document: Mapping[str, object]) -> str | None:
    """The name of the first listed value that differs from the parsed record; None if all agree."""
    for name, value in zip(Listed._fields, listed, strict=True):
        said = document.get(name)
        if isinstance(value, UUID):
            same = said == str(value)
        elif isinstance(value, datetime):
            same = _instant(said) == value
        else:
            same = said == value
        if not same:
            return name
    return None


def _instant(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None


class _Ticks:
    """Increasing numbers of 60 bits: milliseconds and 4,096ths of them (RFC 9562 section 6.2, method 3)."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, nanoseconds: int) -> int:
        # Continue from the last number if the clock steps back or two ids fall into one tick.
        self._last = max(self._last + 1, (nanoseconds << 12) // 1_000_000)
        return self._last


_ticks = _Ticks()


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562). Ids of one process increase; 62 random bits separate ids of several processes.

    It has the database driver's class, which takes a tenth of the time to make and write.
    """
    tick = _ticks.next(time.time_ns())
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    milliseconds, fraction = tick >> 12, tick & 0xFFF
    number = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random
    made: UUID = pgproto.UUID(number.to_bytes(16))
    return made


def instant_of(decision_id: UUID) -> float:
    """The time at which an id of version 7 was made, in seconds since 1970."""
    return (decision_id.int >> 80) / 1_000
