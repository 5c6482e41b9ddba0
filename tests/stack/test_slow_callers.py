"""A hundred callers who never finish asking, at the gateway and at a service, while others are served."""

import asyncio
import time
from urllib.parse import urlsplit

import pytest

from stack.asking import asking, questions
from stack.compose import Compose

CALLERS = 100
# Ten seconds are what a request may take to arrive.
LONGEST_SECONDS = 12.5


async def dribble(base: str) -> float | None:
    """Send a byte of a header each second. Returns after how long the other side had enough; None: never."""
    address = urlsplit(base)
    assert address.hostname
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    started = time.monotonic()
    ended = asyncio.create_task(reader.read())
    try:
        writer.write(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        while time.monotonic() - started < LONGEST_SECONDS:
            writer.write(b"x")
            done, _ = await asyncio.wait([ended], timeout=1)
            if done:
                return time.monotonic() - started
    except ConnectionError:
        return time.monotonic() - started
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
        writer.close()
    return None


async def dribble_from_all(bases: list[str]) -> list[float | None]:
    return await asyncio.gather(*(dribble(base) for base in bases for _ in range(CALLERS)))


@pytest.mark.timeout(60, func_only=True)
def test_callers_who_never_finish_are_let_go_and_keep_nobody_waiting(compose: Compose) -> None:
    bases = [compose.front, compose.base("feature-service", 8001), compose.base("prediction-service", 8002)]
    with asking(compose.front, questions(compose.front)) as answers:
        ends = asyncio.run(dribble_from_all(bases))
    assert len(ends) == 3 * CALLERS
    assert all(end is not None and end > 5 for end in ends), ends
    assert len(answers) > 100
    assert all(answer.expected and answer.seconds < 1 for answer in answers)
