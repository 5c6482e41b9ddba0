"""Instants that a caller names: texts of RFC 3339 with their zone, and no number of seconds since any year."""

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator
from pydantic_core import PydanticCustomError

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def _rfc_3339(given: object) -> object:
    if isinstance(given, str) and not _RFC_3339.fullmatch(given):
        raise PydanticCustomError(
            "instant_form", "Write the instant as in RFC 3339, with its zone: 2020-04-11T00:00:00Z"
        )
    if not isinstance(given, (str, datetime)):
        raise PydanticCustomError("instant_type", "Input should be a text, such as 2020-04-11T00:00:00Z")
    return given


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise PydanticCustomError(
            "instant_range", "The instant should be within the years 1 to 9999, in UTC"
        ) from error


Instant = Annotated[AwareDatetime, BeforeValidator(_rfc_3339), AfterValidator(_in_utc)]
