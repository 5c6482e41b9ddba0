"""The way to the feature service: one HTTP call for all requests that wait. Only this module knows httpx."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from random import uniform
from typing import Any, NamedTuple, NotRequired, cast

import httpx
import orjson
import structlog
from circuitbreaker import CircuitBreaker
from pydantic import AwareDatetime, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from prediction_service.errors import (
    FeatureServiceBroken,
    FeatureServiceRefusedUs,
    FeatureServiceTimeout,
    FeatureServiceUnavailable,
)
from prediction_service.features.traced import traced
from prediction_service.features.transport import Http1Transport
from prediction_service.settings import Settings
from service_kit.batching import Batcher, batcher
from service_kit.problems import DeadlineExceeded, ProblemError, StoreUnavailable
from service_kit.request.ask import Ask
from service_kit.telemetry.metrics import retries
from shared_schemas import FeatureDefinitions


class Vector(TypedDict):
    """A vector as the store sent it, one key a feature. Whether the values are of their types is for the quality check to say.

    `feature_timestamps`: instants of the events of those features whose event is older than `event_timestamp`.
    """

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]  # how Pydantic configures a TypedDict

    client_id: int
    event_timestamp: AwareDatetime
    feature_timestamps: NotRequired[dict[str, AwareDatetime] | None]


class _Batch(TypedDict):
    features: list[Vector]
    not_found: list[int]


class _LooseBatch(TypedDict):
    features: list[Any]
    not_found: list[int]


_BATCH = TypeAdapter(_Batch)
_LOOSE_BATCH = TypeAdapter(_LooseBatch)
_VECTOR = TypeAdapter(Vector)
_PROBLEM = TypeAdapter(dict[str, Any])


class Found(NamedTuple):
    """A vector, and the request id under which it was fetched (that of the first request that shared the call).

    `digest`: of the feature set that the vector is of, None where the feature service does not say it.
    """

    vector: Vector
    request_id: str
    digest: str | None


class _Reply(NamedTuple):
    """The body of an answer, and the digest of the feature set that it names."""

    content: bytes
    digest: str | None


class _BatchRefused(FeatureServiceBroken):
    """The service failed at this call: perhaps it is too long, perhaps one of its clients is the cause."""

    def __init__(self, *, too_long: bool) -> None:
        super().__init__()
        self.too_long = too_long


class FeatureClient:
    """Fetches vectors. Raises the FeatureService… problems, or StoreUnavailable if the service reports that."""

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
        # Opens after so many calls in a row that found nobody or took too long; then one call in half a second probes.
        self.breaker = CircuitBreaker(failure_threshold=_FAULTS_TO_OPEN, recovery_timeout=_OPEN_SECONDS)
        self._coalesced: Batcher[int, Found] = batcher(self._ask)
        self._clock: Callable[[], float] | None = None
        self._most_ids = _MOST_IDS
        self._most_ids_until = 0.0
        self._refused = False
        self.selection: tuple[str, ...] | None = None
        """The features to ask for, by name or name@version; None: all that are served, in their present versions."""

    async def vector(self, client_id: int, ask: Ask[object]) -> Found | None:
        """The vector of a client. Concurrent calls share one HTTP call; the wait for one counts."""
        latest = (self._clock or self._first_clock())() + self._timeout
        try:
            return await self._coalesced.get(client_id, ask, latest)
        except TimeoutError as fault:
            raise FeatureServiceTimeout from fault

    def _first_clock(self) -> Callable[[], float]:
        self._clock = asyncio.get_running_loop().time  # once: each time it costs a system call
        return self._clock

    async def vectors(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found]:
        """The vectors of those clients that have one, by id."""
        found = {}
        for client_id, answer in (await self._ask(list(set(client_ids)), ask)).items():
            if isinstance(answer, Exception):
                raise answer
            found[client_id] = answer
        return found

    async def _ask(self, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found | Exception]:
        """As `vectors`, and a problem in the place of each vector that cannot be read.

        A call that the other side takes for too long a list, or fails at, is made again in two halves. A limit that was
        learned so holds for a minute, and is then tried again.
        """
        now = asyncio.get_running_loop().time()
        most = self._most_ids if now < self._most_ids_until else _MOST_IDS
        answers: dict[int, Found | Exception] = {}
        for start in range(0, len(client_ids), most):
            part = client_ids[start : start + most]
            try:
                answers |= _answers(part, await self._batch(part, ask), ask)
            except _BatchRefused as refusal:
                if len(part) == 1:
                    answers[part[0]] = refusal
                    continue
                half = (len(part) + 1) // 2
                if refusal.too_long:
                    self._most_ids, self._most_ids_until = half, now + _LEARNED_SECONDS
                for piece in (part[:half], part[half:]):
                    answers |= await self._ask(piece, ask)
        return answers

    async def _batch(self, client_ids: Sequence[int], ask: Ask[object]) -> _Reply:
        question: dict[str, Any] = {"client_ids": list(client_ids)}
        if self.selection is not None:
            question["features"] = self.selection
        return await self._call("POST", self._url, orjson.dumps(question), ask)

    async def definitions(self, ask: Ask[object]) -> FeatureDefinitions:
        """The definitions that are served now, older versions of features that are retained included."""
        reply = await self._call("GET", self._definitions_url, b"", ask)
        try:
            return FeatureDefinitions.model_validate_json(reply.content)
        except ValidationError as fault:
            raise _translated(fault, FeatureServiceBroken(), ask) from fault

    async def _call(self, method: str, url: httpx.URL, body: bytes, ask: Ask[object]) -> _Reply:
        if self.breaker.opened:
            raise FeatureServiceUnavailable
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._timeout
        until = min(ask.deadline, latest)
        headers = [
            *self._headers,
            (b"Content-Length", b"%d" % len(body)),
            (b"X-Request-ID", ask.request_id.encode()),
            (b"X-Request-Timeout-Ms", b"%d" % max(1, (until - loop.time()) * 1000)),
        ]
        # The transport itself: a client's cookies, redirects and header merging would cost more than the call. And streams
        # instead of contents: what httpx works out about a content takes 25 us a call.
        stream = httpx.ByteStream(body)
        request = httpx.Request(method, url, headers=headers, stream=stream, extensions=self._extensions)
        granted = until - loop.time()
        try:
            async with asyncio.timeout_at(until):
                answer = await self._send(request)
                content = await _content(answer)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.PoolTimeout) as fault:
            if granted > self._timeout / 2:  # a service is not slow because a caller had little time left
                self._count_fault(fault)
            raise _translated(fault, FeatureServiceTimeout(), ask) from fault
        except httpx.RemoteProtocolError as fault:
            raise _translated(fault, FeatureServiceBroken(), ask) from fault
        except httpx.TransportError as fault:
            self._count_fault(fault)
            raise _translated(fault, FeatureServiceUnavailable(), ask) from fault
        self.breaker.reset()
        self._refused = answer.status_code in _REFUSED
        if answer.status_code != httpx.codes.OK:
            problem = _refusal(answer, content)
            log.warning(
                "feature_service_refused", status=answer.status_code, problem=problem.type, request_id=ask.request_id
            )
            raise problem
        return _Reply(content, _digest(answer.headers.get("feature-set")))

    async def check_credential(self, ask: Ask[object]) -> None:
        """Raises FeatureServiceRefusedUs while the feature service does not take the API key of this service.

        Asks it only if it has refused the key the last time, and raises nothing for any other failure.
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
            # A kept connection that the other side has closed meanwhile looks like this. The call only reads: ask again,
            # not all at the same moment.
            _RETRIES.inc()
            await asyncio.sleep(uniform(0, _RETRY_SECONDS))  # noqa: S311 -- nothing secret
            return await self._transport.handle_async_request(request)


log = structlog.get_logger()

_RETRIES = retries.labels("feature_service")
_REFUSED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
_PASSED_ON: Mapping[object, type[ProblemError]] = {
    StoreUnavailable.type: StoreUnavailable,
    DeadlineExceeded.type: FeatureServiceTimeout,
    FeatureServiceTimeout.type: FeatureServiceTimeout,
}
"""What a problem of the feature service, or of the gateway before it, is to a caller of this one."""

_OTHER_FAILURES = (FeatureServiceUnavailable, FeatureServiceTimeout, FeatureServiceBroken, StoreUnavailable)
_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)
_DEFAULT_SECONDS = 2.0
_RETRY_SECONDS = 0.02
_MOST_IDS = 1000
"""Of one call, unless the feature service takes fewer."""
_LEARNED_SECONDS = 60.0
_FAULTS_TO_OPEN = 20
_OPEN_SECONDS = 0.5
"""Short, so that a repaired feature service is used again soon; long enough to spare it a storm of retries."""


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


def _translated(fault: Exception, problem: ProblemError, ask: Ask[object]) -> ProblemError:
    """The problem that a foreign failure is to a caller. Logs the cause, which the answer does not tell."""
    log.warning("feature_service_failed", cause=type(fault).__name__, problem=problem.type, request_id=ask.request_id)
    return problem


@lru_cache(maxsize=8)
def _digest(header: str | None) -> str | None:
    found = _DIGEST.search(header or "")
    return found[1] if found else None


_DIGEST = re.compile(r"digest=([0-9a-f]{1,128})\b")


def _answers(client_ids: Sequence[int], reply: _Reply, ask: Ask[object]) -> dict[int, Found | Exception]:
    """The answer about each client that has one, or whose vector cannot be read. Raises FeatureServiceBroken."""
    try:
        batch = _BATCH.validate_json(reply.content)
        vectors, missing = batch["features"], batch["not_found"]
    except ValidationError:
        vectors, missing = _readable_vectors(reply.content, ask)
    found: dict[int, Found | Exception] = {
        vector["client_id"]: Found(vector, ask.request_id, reply.digest) for vector in vectors
    }
    asked, absent = set(client_ids), set(missing)
    if not (found.keys() | absent) <= asked or found.keys() & absent:
        raise FeatureServiceBroken  # an answer to another question
    return found | {client_id: FeatureServiceBroken() for client_id in asked - found.keys() - absent}


def _readable_vectors(content: bytes, ask: Ask[object]) -> tuple[list[Vector], list[int]]:
    """Those vectors of an answer that can be read, and the ids that have none."""
    try:
        batch = _LOOSE_BATCH.validate_json(content)
    except ValidationError as fault:
        raise _translated(fault, FeatureServiceBroken(), ask) from fault
    vectors = []
    for candidate in batch["features"]:
        with suppress(ValidationError):
            vectors.append(_VECTOR.validate_python(candidate))
    return vectors, batch["not_found"]


def _refusal(answer: httpx.Response, content: bytes) -> ProblemError:
    """The problem that an answer other than 200 is to a caller."""
    try:
        kind = _PROBLEM.validate_json(content).get("type")
    except ValidationError:
        kind = None
    if kind in _PASSED_ON:
        return _PASSED_ON[kind]()
    if answer.status_code in _REFUSED:
        return FeatureServiceRefusedUs()
    # A gateway in between answers 503 when there is nothing behind it.
    if answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        problem = FeatureServiceUnavailable()
        wait = answer.headers.get("retry-after", "")
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS and _SECONDS.fullmatch(wait):
            problem.headers["Retry-After"] = wait
        return problem
    if answer.status_code in (httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.INTERNAL_SERVER_ERROR):
        return _BatchRefused(too_long=answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY)
    return FeatureServiceBroken()


def _credential(settings: Settings) -> list[tuple[bytes, bytes]]:
    key = settings.feature_service_api_key
    return [(b"X-API-Key", key.get_secret_value().encode())] if key else []


@asynccontextmanager
async def open_feature_client(settings: Settings) -> AsyncIterator[FeatureClient]:
    total, connect = settings.feature_service_timeout_seconds, settings.feature_service_connect_seconds
    async with traced(Http1Transport()) as transport:
        timeout = httpx.Timeout(total, connect=min(connect, total))
        yield FeatureClient(transport, str(settings.feature_service_url), timeout, _credential(settings))
