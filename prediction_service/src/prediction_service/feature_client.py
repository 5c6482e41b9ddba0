"""The way to the feature service: one HTTP call for all who wait. Only this module knows httpx."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import orjson
from httpx_aiohttp import AiohttpTransport
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # Pydantic asks for this one below Python 3.12

from prediction_service.errors import (
    FeatureServiceBroken,
    FeatureServiceTimeout,
    FeatureServiceUnavailable,
    StoreUnavailable,
)
from prediction_service.settings import Settings
from service_kit.batching import Batcher


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

    def __init__(self, http: httpx.AsyncClient, timeout_seconds: float) -> None:
        self._http = http
        self._timeout = timeout_seconds
        self._coalesced: Batcher[int, Found] = Batcher(self.vectors)

    async def vector(self, client_id: int, request_id: str) -> Found | None:
        """The vector of a client. Concurrent calls share one HTTP call."""
        return await self._coalesced.get(client_id, request_id)

    async def vectors(self, client_ids: Sequence[int], request_id: str) -> dict[int, Found]:
        """The vectors of those clients that have one, by id; one HTTP call."""
        wanted = set(client_ids)
        batch = _parse(await self._post({"client_ids": list(wanted)}, request_id))
        found = {vector["client_id"]: Found(vector, request_id) for vector in batch["features"]}
        if found.keys() | set(batch["not_found"]) != wanted or found.keys() & set(batch["not_found"]):
            raise FeatureServiceBroken  # an answer to another question
        return found

    async def _post(self, body: dict[str, list[int]], request_id: str) -> bytes:
        headers = {"Content-Type": "application/json", "X-Request-ID": request_id}
        content = orjson.dumps(body)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send(content, headers)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as fault:
            raise FeatureServiceTimeout from fault
        except httpx.TransportError as fault:
            raise FeatureServiceUnavailable from fault
        if answer.status_code != httpx.codes.OK:
            raise _refusal(answer)
        return answer.content

    async def _send(self, content: bytes, headers: dict[str, str]) -> httpx.Response:
        request = self._http.build_request("POST", "online_feature_store/batch", content=content, headers=headers)
        try:
            return await self._http.send(request)
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise
        except httpx.TransportError:
            # A kept connection that the other side has closed meanwhile looks like this. The call only reads: ask anew.
            return await self._http.send(request)


def _parse(content: bytes) -> _Batch:
    try:
        return _BATCH.validate_json(content)
    except ValidationError as fault:
        raise FeatureServiceBroken from fault


def _refusal(answer: httpx.Response) -> Exception:
    try:
        kind = _PROBLEM.validate_json(answer.content).get("type")
    except ValidationError:
        kind = None
    if kind == StoreUnavailable.type:
        return StoreUnavailable()
    # A gateway in between answers 503 when there is nothing behind it.
    if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return FeatureServiceUnavailable()
    return FeatureServiceBroken()


def _credential(settings: Settings) -> dict[str, str]:
    key = settings.feature_service_api_key
    return {"X-API-Key": key.get_secret_value()} if key else {}


@asynccontextmanager
async def open_feature_client(settings: Settings) -> AsyncIterator[FeatureClient]:
    total, connect = settings.feature_service_timeout_seconds, settings.feature_service_connect_seconds
    async with httpx.AsyncClient(
        transport=AiohttpTransport(),
        base_url=str(settings.feature_service_url),
        timeout=httpx.Timeout(total, connect=min(connect, total)),
        trust_env=False,
        headers={"User-Agent": "prediction-service", "Accept": "application/json"} | _credential(settings),
    ) as http:
        yield FeatureClient(http, total)
