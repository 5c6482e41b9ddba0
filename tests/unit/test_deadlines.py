"""How long a request may take, by what its caller says and by its method."""

import asyncio

import pytest

from service_kit.problems import InvalidRequest
from service_kit.request.deadlines import Deadlines
from service_kit.settings import ServiceSettings


def seconds(method: str, given: bytes | None, **settings: float) -> float:
    async def scenario() -> float:
        return Deadlines(ServiceSettings(**settings)).of(method, given) - asyncio.get_running_loop().time()  # type: ignore[arg-type]

    return asyncio.run(scenario())


def test_without_the_header_an_erasure_has_longer_than_the_rest() -> None:
    for method in ("GET", "POST", "PUT"):
        assert seconds(method, None) == pytest.approx(2, abs=0.1)
    assert seconds("DELETE", None) == pytest.approx(10, abs=0.1)
    assert seconds("PUT", None, answer_timeout_seconds=0.5) == pytest.approx(0.5, abs=0.1)
    assert seconds("DELETE", None, erasure_timeout_seconds=4) == pytest.approx(4, abs=0.1)


def test_what_the_caller_says_holds_for_every_method() -> None:
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert seconds(method, b"100") == pytest.approx(0.1, abs=0.05)
        assert seconds(method, b"10000") == pytest.approx(10, abs=0.1)


@pytest.mark.parametrize("given", [b"", b"0", b"-1", b"1.5", b"01", b"10001", b"99999999", b"x", b"1 "])
def test_what_is_no_time_within_the_bounds_is_refused(given: bytes) -> None:
    with pytest.raises(InvalidRequest):
        seconds("GET", given)
