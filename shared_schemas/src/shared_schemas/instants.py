"""Instants in requests: RFC 3339 with a time zone. Numbers, such as seconds since 1970, are refused."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

FIRST_YEAR, LAST_YEAR = 1900, 9998
"""Years of valid instants, in UTC. PostgreSQL's driver reads the ends of the years 1 and 9999 as infinity."""

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def _rfc_3339(given: object) -> object:
    if isinstance(given, str) and not _RFC_3339.fullmatch(given):
        plus = " (the + of a zone is %2B in an address)" if _RFC_3339.fullmatch(given.replace(" ", "+")) else ""
        raise PydanticCustomError(
            "instant_form", f"Write the instant as in RFC 3339, with its zone: 2020-04-11T00:00:00Z{plus}"
        )
    if not isinstance(given, (str, datetime)):
        raise PydanticCustomError("instant_type", "Input should be a text, such as 2020-04-11T00:00:00Z")
    return given


def _in_utc(instant: datetime) -> datetime:
    try:
        moved = instant.astimezone(UTC)
    except OverflowError:
        moved = None
    if moved is None or not FIRST_YEAR <= moved.year <= LAST_YEAR:
        raise PydanticCustomError(
            "instant_range", f"The instant should be within the years {FIRST_YEAR} to {LAST_YEAR}, in UTC"
        )
    return moved


Instant = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
