"""The call between the services: our transport beside those that httpx can be had with, all asking one feature service."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from prediction_service.features.transport import Http1Transport

Ask = Callable[[bytes], Awaitable[object]]
_HEADERS = {"Content-Type": "application/json"}


@asynccontextmanager
async def _httpx_client(url: str) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield lambda body: client.post(url, content=body, headers=_HEADERS)


@asynccontextmanager
async def _httpx_client_over_aiohttp(url: str) -> AsyncIterator[Ask]:
    async with httpx.AsyncClient(trust_env=False, transport=AiohttpTransport()) as client:
        yield lambda body: client.post(url, content=body, headers=_HEADERS)


def _transport(make: Callable[[], httpx.AsyncBaseTransport]) -> Callable[[str], object]:
    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Ask]:
        target = httpx.URL(url)
        always = [(b"Host", target.netloc), (b"Content-Type", b"application/json")]
        async with make() as transport:

            async def ask(body: bytes) -> bytes:
                headers = [*always, (b"Content-Length", b"%d" % len(body))]
                request = httpx.Request("POST", target, headers=headers, stream=httpx.ByteStream(body))
                response = await transport.handle_async_request(request)
                assert isinstance(response.stream, httpx.AsyncByteStream)
                try:
                    return b"".join([part async for part in response.stream])
                finally:
                    await response.aclose()

            yield ask

    return opened


@asynccontextmanager
async def _aiohttp(url: str) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession() as session:

        async def ask(body: bytes) -> bytes:
            async with session.post(url, data=body, headers=_HEADERS) as response:
                return await response.read()

        yield ask


CLIENTS: dict[str, Callable[[str], object]] = {
    "httpx.AsyncClient, its own transport": _httpx_client,
    "httpx.AsyncClient over aiohttp": _httpx_client_over_aiohttp,
    "aiohttp as a transport of httpx, called directly": _transport(AiohttpTransport),
    "aiohttp": _aiohttp,
    "ours as a transport of httpx, called directly": _transport(Http1Transport),
}


async def _calls_a_second(name: str, url: str, body: bytes, tasks: int, seconds: float) -> tuple[float, float]:
    """Calls a second, and microseconds of this process's CPU a call."""
    async with CLIENTS[name](url) as ask:  # type: ignore[attr-defined]
        await ask(body)
        count, until, spent = 0, time.perf_counter() + seconds, time.process_time()

        async def loop() -> None:
            nonlocal count
            while time.perf_counter() < until:
                await ask(body)
                count += 1

        await asyncio.gather(*(loop() for _ in range(tasks)))
        return count / seconds, (time.process_time() - spent) / count * 1e6


def measure_hop(port: int, client_id: int, seconds: float) -> list[tuple[str, list[tuple[float, float]]]]:
    """Of each client: calls a second and CPU at 1 and at 32 at a time."""
    url, body = f"http://127.0.0.1:{port}/online_feature_store/batch", b'{"client_ids":[%d]}' % client_id
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return [
            (name, [runner.run(_calls_a_second(name, url, body, tasks, seconds)) for tasks in (1, 32)])
            for name in CLIENTS
        ]
