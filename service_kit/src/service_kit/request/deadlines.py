"""The deadline of each request."""

import asyncio
import re
from collections.abc import Callable

from service_kit.problems import InvalidRequest
from service_kit.settings import ServiceSettings
from shared_schemas import InvalidPart

TIMEOUT_HEADER = "X-Request-Timeout-Ms"

_MILLISECONDS = re.compile(rb"[1-9][0-9]{0,4}")
_MOST_MILLISECONDS = 10_000


class Deadlines:
    """Computes the deadline of a request, a time of the event loop, from the caller's header or the settings."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._erasure = settings.erasure_timeout_seconds
        self._other = settings.answer_timeout_seconds
        self._clock: Callable[[], float] | None = None

    def of(self, method: str, given: bytes | None) -> float:
        """`given`: the value of the header. Raises InvalidRequest unless it is 1 to 10,000."""
        if given is None:
            seconds = self._erasure if method == "DELETE" else self._other
        elif _MILLISECONDS.fullmatch(given) and int(given) <= _MOST_MILLISECONDS:
            seconds = int(given) / 1000
        else:
            detail = "The time to wait is a whole number of milliseconds, 1 to 10,000"
            raise InvalidRequest(errors=[InvalidPart(pointer=f"header/{TIMEOUT_HEADER}", detail=detail)])
        return (self._clock or self._first_clock())() + seconds

    def _first_clock(self) -> Callable[[], float]:
        self._clock = asyncio.get_running_loop().time  # kept, because each call costs a system call
        return self._clock
