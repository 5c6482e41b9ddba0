"""An entry of the log: the bytes of a record, what is listed of it, its salt and commitment."""

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
    """What the database knows of a record beside its bytes. It must equal what the record says under the same keys.

    `reviews` is the decision that a review is about.
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
    """An entry with a fresh salt. The bytes of the document are what is stored, committed to and served.

    They are JSON: ids as texts, UTC as Z, keys in their order, no spaces.
    """
    record = orjson.dumps(document, _written_id, option=orjson.OPT_UTC_Z)
    salt = os.urandom(SALT_BYTES)
    return Entry(listed, record, salt, commitment(salt, record))


def _written_id(value: object) -> str:
    """orjson knows the standard library's class of ids only, and not the driver's, which is a subclass."""
    if isinstance(value, UUID):
        return str(value)
    raise TypeError


def commitment(salt: bytes, record: bytes) -> bytes:
    """HMAC-SHA256 with the salt as key: 32 bytes that tell nothing of the record, and fit no other."""
    return hmac.digest(salt, record, "sha256")


def differing(listed: Listed, document: Mapping[str, object]) -> str | None:
    """The name of the first of the listed values that a record, parsed from its JSON, does not say."""
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
    """Rising numbers of 60 bits: milliseconds and 4,096ths of them, as of RFC 9562 section 6.2, method 3."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, nanoseconds: int) -> int:
        # A clock that steps back, or two ids in one tick: count on from the last.
        self._last = max(self._last + 1, (nanoseconds << 12) // 1_000_000)
        return self._last


_ticks = _Ticks()


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562). Those of one process rise; 62 random bits keep those of several apart.

    Of the driver's class, which takes a tenth of the time to make and write.
    """
    tick = _ticks.next(time.time_ns())
    random = int.from_bytes(os.urandom(8)) & ((1 << 62) - 1)
    milliseconds, fraction = tick >> 12, tick & 0xFFF
    number = milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random
    made: UUID = pgproto.UUID(number.to_bytes(16))
    return made


def instant_of(decision_id: UUID) -> float:
    """Seconds since 1970 that an id of version 7 was made at."""
    return (decision_id.int >> 80) / 1_000
