"""The way to the feature service: one HTTP call for all who wait. Only this module knows httpx."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from random import uniform
from typing import Any, NamedTuple, cast

import httpx
import orjson
from circuitbreaker import CircuitBreaker
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # Pydantic asks for this one below Python 3.12

from prediction_service.errors import (
    FeatureServiceBroken,
    FeatureServiceTimeout,
    FeatureServiceUnavailable,
    StoreUnavailable,
)
from prediction_service.http_transport import Http1Transport
from prediction_service.settings import Settings
from service_kit.batching import Batcher, Call
from service_kit.problems import DeadlineExceeded


class Vector(TypedDict):
    """A vector as the store sent it. Whether the values are of their types is for the quality check to say."""

    client_id: int
    nb_previous_loans: Any
    avg_amount_loans_previous: Any
    age: Any
    years_on_the_job: Any
    flag_own_car: Any
    event_timestamp: AwareDatetime


class _Batch(TypedDict):
    features: list[Vector]
    not_found: list[int]


_BATCH = TypeAdapter(_Batch)
_PROBLEM = TypeAdapter(dict[str, Any])


class Found(NamedTuple):
    """A vector, and the request id under which it was fetched (that of the first of those who shared the call)."""

    vector: Vector
    request_id: str


class FeatureClient:
    """Fetches vectors. Raises the FeatureService… problems, or StoreUnavailable if that is what the service reports."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        base_url: str,
        timeout: httpx.Timeout,
        credential: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._transport = transport
        self._url = httpx.URL(f"{base_url.rstrip('/')}/online_feature_store/batch")
        self._headers = [(b"Host", self._url.netloc), *_HEADERS, *credential]
        self._extensions = {"timeout": timeout.as_dict()}
        self._timeout = timeout.read or _DEFAULT_SECONDS
        # Opens after so many calls in a row that found nobody or took too long; then one call in half a second probes.
        self.breaker = CircuitBreaker(failure_threshold=_FAULTS_TO_OPEN, recovery_timeout=_OPEN_SECONDS)
        self._coalesced: Batcher[int, Found] = Batcher(self.vectors)

    async def vector(self, client_id: int, call: Call) -> Found | None:
        """The vector of a client. Concurrent calls share one HTTP call."""
        try:
            return await self._coalesced.get(client_id, call)
        except TimeoutError as fault:
            raise FeatureServiceTimeout from fault

    async def vectors(self, client_ids: Sequence[int], call: Call) -> dict[int, Found]:
        """The vectors of those clients that have one, by id; one HTTP call."""
        wanted = set(client_ids)
        batch = _parse(await self._post({"client_ids": list(wanted)}, call))
        found = {vector["client_id"]: Found(vector, call.request_id) for vector in batch["features"]}
        if found.keys() | set(batch["not_found"]) != wanted or found.keys() & set(batch["not_found"]):
            raise FeatureServiceBroken  # an answer to another question
        return found

    async def _post(self, question: dict[str, list[int]], call: Call) -> bytes:
        if self.breaker.opened:
            raise FeatureServiceUnavailable
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._timeout
        until = latest if call.deadline is None else min(call.deadline, latest)
        body = orjson.dumps(question)
        headers = [
            *self._headers,
            (b"Content-Length", b"%d" % len(body)),
            (b"X-Request-ID", call.request_id.encode()),
            (b"X-Request-Timeout-Ms", b"%d" % max(1, (until - loop.time()) * 1000)),
        ]
        # The transport itself: a client's cookies, redirects and header merging would cost more than the call. And streams
        # instead of contents: what httpx works out about a content takes 25 us a call.
        stream = httpx.ByteStream(body)
        request = httpx.Request("POST", self._url, headers=headers, stream=stream, extensions=self._extensions)
        try:
            async with asyncio.timeout_at(until):
                answer = await self._send(request)
                content = await _content(answer)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as fault:
            if until == latest:  # what a caller's own haste makes late is no fault of the service
                self._count_fault(fault)
            raise FeatureServiceTimeout from fault
        except httpx.RemoteProtocolError as fault:
            raise FeatureServiceBroken from fault
        except httpx.TransportError as fault:
            self._count_fault(fault)
            raise FeatureServiceUnavailable from fault
        self.breaker.reset()
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer.status_code, content)
        return content

    def _count_fault(self, fault: Exception) -> None:
        with suppress(type(fault)), self.breaker:
            raise fault

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise
        except httpx.TransportError:
            # A kept connection that the other side has closed meanwhile looks like this. The call only reads: ask anew,
            # not all at the same moment.
            await asyncio.sleep(uniform(0, _RETRY_SECONDS))  # noqa: S311 -- nothing secret
            return await self._transport.handle_async_request(request)


_DEFAULT_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_FAULTS_TO_OPEN = 20
_OPEN_SECONDS = 0.5
"""So short that who repairs the feature service is not told otherwise for long; long enough to spare it a storm."""


_HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
    (b"User-Agent", b"prediction-service"),
]


async def _content(answer: httpx.Response) -> bytes:
    """As it was sent: no encoding was asked for."""
    try:
        return b"".join([part async for part in cast("httpx.AsyncByteStream", answer.stream)])
    finally:
        await answer.aclose()


def _parse(content: bytes) -> _Batch:
    try:
        return _BATCH.validate_json(content)
    except ValidationError as fault:
        raise FeatureServiceBroken from fault


def _refusal(status: int, content: bytes) -> Exception:
    try:
        kind = _PROBLEM.validate_json(content).get("type")
    except ValidationError:
        kind = None
    if kind == StoreUnavailable.type:
        return StoreUnavailable()
    if kind == DeadlineExceeded.type:
        return FeatureServiceTimeout()
    # A gateway in between answers 503 when there is nothing behind it.
    if status == httpx.codes.SERVICE_UNAVAILABLE:
        return FeatureServiceUnavailable()
    return FeatureServiceBroken()


def _credential(settings: Settings) -> list[tuple[bytes, bytes]]:
    key = settings.feature_service_api_key
    return [(b"X-API-Key", key.get_secret_value().encode())] if key else []


@asynccontextmanager
async def open_feature_client(settings: Settings) -> AsyncIterator[FeatureClient]:
    total, connect = settings.feature_service_timeout_seconds, settings.feature_service_connect_seconds
    async with Http1Transport() as transport:
        timeout = httpx.Timeout(total, connect=min(connect, total))
        yield FeatureClient(transport, str(settings.feature_service_url), timeout, _credential(settings))
