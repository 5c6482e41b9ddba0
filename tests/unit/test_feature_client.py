"""What the client makes of the feature service's answers: one bad vector or a short list harms no other prediction."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import httpx

from prediction_service.errors import FeatureServiceBroken, FeatureServiceTimeout
from prediction_service.features.client import FeatureClient
from service_kit.request.ask import Ask

Answer = Callable[[list[int]], tuple[int, dict[str, Any]]]


def vector(client_id: int, **changes: object) -> dict[str, Any]:
    return {
        "client_id": client_id, "nb_previous_loans": 1, "avg_amount_loans_previous": 2.5, "age": 40,
        "years_on_the_job": None, "flag_own_car": 1, "event_timestamp": "2020-01-01T00:00:00Z",
    } | changes  # fmt: skip


class Answering(httpx.AsyncBaseTransport):
    """Answers each call with what `answer` says about its ids, and keeps these."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.calls: list[list[int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        ids = json.loads(await request.aread())["client_ids"]
        self.calls.append(ids)
        status, body = self.answer(ids)
        return httpx.Response(status, stream=httpx.ByteStream(json.dumps(body).encode()))


class Silent(httpx.AsyncBaseTransport):
    async def handle_async_request(self, _: httpx.Request) -> httpx.Response:
        await asyncio.sleep(60)
        raise AssertionError


def client_of(transport: httpx.AsyncBaseTransport, seconds: float = 2.0) -> FeatureClient:
    return FeatureClient(transport, "http://features", httpx.Timeout(seconds))


def ask() -> Ask[None]:
    return Ask("r", asyncio.get_running_loop().time() + 60, None)


async def asked(client: FeatureClient, ids: range) -> list[Any]:
    wanted = (client.vector(client_id, ask()) for client_id in ids)
    return list(await asyncio.gather(*wanted, return_exceptions=True))


def test_a_vector_that_cannot_be_read_fails_alone() -> None:
    def answer(ids: list[int]) -> tuple[int, dict[str, Any]]:
        stamp = {3: "99999-01-01T00:00:00Z", 4: None}
        return 200, {
            "features": [vector(n, **({"event_timestamp": stamp[n]} if n in stamp else {})) for n in ids if n != 5],
            "not_found": [5],
        }

    async def scenario() -> None:
        transport = Answering(answer)
        results = await asked(client_of(transport), range(1, 7))
        assert [type(result) for result in (results[2], results[3])] == [FeatureServiceBroken] * 2
        assert results[4] is None
        assert [results[n].vector["client_id"] for n in (0, 1, 5)] == [1, 2, 6]
        assert len(transport.calls) == 1

    asyncio.run(scenario())


def test_a_client_that_the_feature_service_fails_at_fails_alone() -> None:
    async def scenario() -> None:
        transport = Answering(
            lambda ids: (500, {}) if 7 in ids else (200, {"features": [vector(n) for n in ids], "not_found": []})
        )
        results = await asked(client_of(transport), range(1, 65))
        assert [n for n, result in enumerate(results, 1) if isinstance(result, FeatureServiceBroken)] == [7]
        assert all(result.vector["client_id"] == n for n, result in enumerate(results, 1) if n != 7)
        assert len(transport.calls) <= 13

    asyncio.run(scenario())


def test_the_other_sides_limit_is_learned_whatever_it_is() -> None:
    for limit in (1, 3, 20, 1000):

        def answer(ids: list[int], limit: int = limit) -> tuple[int, dict[str, Any]]:
            if len(ids) > limit:
                return 422, {"type": "/problems/invalid-request"}
            return 200, {"features": [vector(n) for n in ids], "not_found": []}

        async def scenario(limit: int, answer: Answer) -> None:
            transport = Answering(answer)
            client = client_of(transport)
            assert [found.vector["client_id"] for found in await asked(client, range(1, 65))] == list(range(1, 65))
            transport.calls.clear()
            assert (await client.vectors(range(1, 65), ask())).keys() == set(range(1, 65))
            assert max(map(len, transport.calls)) <= limit

        asyncio.run(scenario(limit, answer))


def test_the_wait_for_a_turn_is_within_the_limit() -> None:
    async def scenario() -> None:
        client = client_of(Silent(), 0.3)
        slowest = 0.0

        async def one(number: int) -> object:
            nonlocal slowest
            await asyncio.sleep(number * 0.02)
            started = time.monotonic()
            try:
                return await client.vector(number, ask())
            except FeatureServiceTimeout as late:
                slowest = max(slowest, time.monotonic() - started)
                return late

        results = await asyncio.gather(*(one(number) for number in range(1, 30)))
        assert all(isinstance(result, FeatureServiceTimeout) for result in results)
        assert slowest < 0.4

    asyncio.run(scenario())
