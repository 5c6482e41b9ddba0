"""The way to the feature service: one HTTP call for all who wait. Only this module knows httpx."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson
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
        self._headers = [*_HEADERS, *credential]
        self._extensions = {"timeout": timeout.as_dict()}
        self._timeout = timeout.read
        self._coalesced: Batcher[int, Found] = Batcher(self.vectors)

    async def vector(self, client_id: int, call: Call) -> Found | None:
        """The vector of a client. Concurrent calls share one HTTP call."""
        return await self._coalesced.get(client_id, call)

    async def vectors(self, client_ids: Sequence[int], call: Call) -> dict[int, Found]:
        """The vectors of those clients that have one, by id; one HTTP call."""
        wanted = set(client_ids)
        batch = _parse(await self._post({"client_ids": list(wanted)}, call))
        found = {vector["client_id"]: Found(vector, call.request_id) for vector in batch["features"]}
        if found.keys() | set(batch["not_found"]) != wanted or found.keys() & set(batch["not_found"]):
            raise FeatureServiceBroken  # an answer to another question
        return found

    async def _post(self, body: dict[str, list[int]], call: Call) -> bytes:
        # The transport itself: a client's cookies, redirects and header merging would cost more than the call.
        request = httpx.Request(
            "POST",
            self._url,
            headers=[*self._headers, (b"X-Request-ID", call.request_id.encode())],
            content=orjson.dumps(body),
            extensions=self._extensions,
        )
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send(request)
                content = await answer.aread()
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as fault:
            raise FeatureServiceTimeout from fault
        except httpx.TransportError as fault:
            raise FeatureServiceUnavailable from fault
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer.status_code, content)
        return content

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise
        except httpx.TransportError:
            # A kept connection that the other side has closed meanwhile looks like this. The call only reads: ask anew.
            return await self._transport.handle_async_request(request)


_HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
    (b"User-Agent", b"prediction-service"),
]


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
