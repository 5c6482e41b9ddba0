"""The client of the feature service: waiting requests share one HTTP call."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from random import uniform
from typing import Any, cast

import httpx
import orjson
import structlog
from circuitbreaker import CircuitBreaker
from pydantic import ValidationError

from prediction_service.errors import FeatureServiceBroken, FeatureServiceTimeout, FeatureServiceUnavailable
from prediction_service.features.answers import (
    REFUSED,
    BatchRefused,
    Found,
    Reply,
    digest_in,
    found_in,
    refusal,
    translated,
)
from prediction_service.features.traced import traced
from prediction_service.features.transport import Http1Transport
from prediction_service.settings import Settings
from service_kit.batching import Batcher
from service_kit.problems import StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from service_kit.telemetry.tracing import batcher
from shared_schemas import FeatureDefinitions


class FeatureClient:
    """Fetches vectors from the feature service.

    Raises the FeatureService… problems, StoreUnavailable if the service reports it, and SelectionRefused.
    """

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        base_url: str,
        timeout: httpx.Timeout,
        credential: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self._transport = transport
        base = base_url.rstrip("/")
        self._url = httpx.URL(f"{base}/online_feature_store/batch")
        self._definitions_url = httpx.URL(f"{base}/feature_definitions")
        self._headers = [(b"Host", self._url.netloc), *_HEADERS, *credential]
        self._extensions = {"timeout": timeout.as_dict()}
        self._timeout = timeout.read or _DEFAULT_SECONDS
        # Opens after this many consecutive calls that fail to connect or time out; then one call each 0.5 s probes.
        self.breaker = CircuitBreaker(failure_threshold=_FAULTS_TO_OPEN, recovery_timeout=_OPEN_SECONDS)
        self._coalesced: Batcher[int, Found] = batcher(self._ask)
        self._most_ids = _MOST_IDS
        self._most_ids_until = 0.0
        self._refused = False
        self.selection: tuple[str, ...] | None = None
        """The features to request, by name or name@version; None requests all served features in present versions."""

    async def vector(self, client_id: int, ask: Ask[object]) -> Found | None:
        """The vector of a client, or None. Concurrent lookups share one HTTP call; the timeout includes the wait."""
        try:
            return await self._coalesced.get(client_id, ask, self._timeout)
        except TimeoutError as fault:
            raise FeatureServiceTimeout from fault

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found]:
        """The vectors of the clients that have one, by client id."""
        found = {}
        for client_id, answer in (await self._ask(list(set(client_ids)), ask)).items():
            if isinstance(answer, Exception):
                raise answer
            found[client_id] = answer
        return found

    async def _ask(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found | Exception]:
        """Like `vectors`, but with a problem in the place of each vector that cannot be read.

        A batch that is refused as too long, or that fails, is retried as two halves. A shorter limit learned this way
        holds for a minute.
        """
        now = asyncio.get_running_loop().time()
        most = self._most_ids if now < self._most_ids_until else _MOST_IDS
        answers: dict[int, Found | Exception] = {}
        for start in range(0, len(client_ids), most):
            part = client_ids[start : start + most]
            try:
                answers |= found_in(await self._batch(part, ask), part, ask)
            except BatchRefused as refusal:
                if len(part) == 1:
                    answers[part[0]] = refusal
                    continue
                half = (len(part) + 1) // 2
                if refusal.too_long:
                    self._most_ids, self._most_ids_until = half, now + _LEARNED_SECONDS
                for piece in (part[:half], part[half:]):
                    answers |= await self._ask(piece, ask)
        return answers

    async def _batch(self, client_ids: Sequence[int], ask: Ask[object]) -> Reply:
        question: dict[str, Any] = {"client_ids": list(client_ids)}
        selection = self.selection
        if selection is not None:
            question["features"] = selection
        return await self._call("POST", self._url, orjson.dumps(question), ask, selection or ())

    async def definitions(self, ask: Ask[object]) -> FeatureDefinitions:
        """The definitions that are served now, including the retained older versions of features."""
        reply = await self._call("GET", self._definitions_url, b"", ask)
        try:
            return FeatureDefinitions.model_validate_json(reply.content)
        except ValidationError as fault:
            raise translated(fault, FeatureServiceBroken(), ask) from fault

    async def _call(
        self, method: str, url: httpx.URL, body: bytes, ask: Ask[object], selection: Sequence[str] = ()
    ) -> Reply:
        if self.breaker.opened:
            raise FeatureServiceUnavailable
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._timeout
        until = min(ask.deadline, latest)
        granted = until - loop.time()
        request = self._request(method, url, body, granted, ask)
        try:
            async with asyncio.timeout_at(until):
                answer = await self._send(request)
                content = await _content(answer)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as fault:
            if granted > self._timeout / 2:  # do not count a timeout that a short deadline of the caller caused
                self._count_fault(fault)
            raise translated(fault, FeatureServiceTimeout(), ask) from fault
        except httpx.RemoteProtocolError as fault:
            raise translated(fault, FeatureServiceBroken(), ask) from fault
        except httpx.TransportError as fault:
            self._count_fault(fault)
            raise translated(fault, FeatureServiceUnavailable(), ask) from fault
        self.breaker.reset()
        self._refused = answer.status_code in REFUSED
        if answer.status_code != httpx.codes.OK:
            problem = refusal(answer, content, selection)
            log.warning(
                "feature_service_refused", status=answer.status_code, problem=problem.type, request_id=ask.request_id
            )
            raise problem
        return Reply(content, digest_in(answer.headers.get("feature-set")))

    def _request(self, method: str, url: httpx.URL, body: bytes, seconds: float, ask: Ask[object]) -> httpx.Request:
        headers = [
            *self._headers,
            (b"Content-Length", b"%d" % len(body)),
            (b"X-Request-ID", ask.request_id.encode()),
            (b"X-Request-Timeout-Ms", b"%d" % max(1, seconds * 1000)),
        ]
        # Without httpx.AsyncClient: its cookies, redirects and header merging cost more than the call. With a stream
        # instead of `content`: the headers that httpx derives from `content` take 25 us a call.
        return httpx.Request(method, url, headers=headers, stream=httpx.ByteStream(body), extensions=self._extensions)

    async def check_credential(self, ask: Ask[object]) -> None:
        """Raises FeatureServiceRefusedUs while the feature service refuses the API key of this service.

        Sends a request only if the last answer refused the key. Other failures raise nothing.
        """
        if self._refused:
            with suppress(*_OTHER_FAILURES):
                await self._batch([], ask)

    def _count_fault(self, fault: Exception) -> None:
        with suppress(type(fault)), self.breaker:
            raise fault

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            return await self._transport.handle_async_request(request)
        except (httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout):
            raise
        except httpx.TransportError:
            # Retry once: the feature service may have closed an idle connection, and the call only reads. The random
            # delay keeps many calls from retrying at the same moment.
            _RETRIES.inc()
            await asyncio.sleep(uniform(0, _RETRY_SECONDS))  # noqa: S311 -- the delay is no secret
            return await self._transport.handle_async_request(request)


log = structlog.get_logger()

_RETRIES = retries.labels("feature_service")
_OTHER_FAILURES = (FeatureServiceUnavailable, FeatureServiceTimeout, FeatureServiceBroken, StoreUnavailable)
_DEFAULT_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_MOST_IDS = 1000
"""Maximum ids in one call, unless the feature service accepts fewer."""
_LEARNED_SECONDS = 60.0
_FAULTS_TO_OPEN = 20
_OPEN_SECONDS = 0.5
"""Short, so that a repaired feature service is used again soon; long enough to prevent a storm of retries."""


_HEADERS = [
    (b"Content-Type", b"application/json"),
    (b"Accept", b"application/json"),
    (b"User-Agent", b"prediction-service"),
]


async def _content(answer: httpx.Response) -> bytes:
    """Return the body of an answer. It needs no decoding, because the request accepts no encoding."""
    try:
        return b"".join([part async for part in cast("httpx.AsyncByteStream", answer.stream)])
    finally:
        await answer.aclose()


def _credential(settings: Settings) -> list[tuple[bytes, bytes]]:
    key = settings.feature_service_api_key
    return [(b"X-API-Key", key.get_secret_value().encode())] if key else []


@asynccontextmanager
async def open_feature_client(settings: Settings) -> AsyncIterator[FeatureClient]:
    total, connect = settings.feature_service_timeout_seconds, settings.feature_service_connect_seconds
    async with traced(Http1Transport()) as transport:
        timeout = httpx.Timeout(total, connect=min(connect, total))
        yield FeatureClient(transport, str(settings.feature_service_url), timeout, _credential(settings))
