"""What an answer of the feature service says: vectors that can be read, or the problem that it is to a caller."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, NotRequired

import httpx
import structlog
from pydantic import AwareDatetime, ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from prediction_service.errors import (
    FeatureServiceBroken,
    FeatureServiceRefusedUs,
    FeatureServiceTimeout,
    FeatureServiceUnavailable,
    FeatureSetMismatch,
)
from service_kit.problems import DeadlineExceeded, ProblemError, StoreUnavailable
from service_kit.request.ask import Ask

log = structlog.get_logger()

REFUSED = frozenset({httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN})
"""What is answered to a credential that is not taken."""


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


class Reply(NamedTuple):
    """The body of an answer, and the digest of the feature set that it names."""

    content: bytes
    digest: str | None


class BatchRefused(FeatureServiceBroken):
    """The service failed at this call: perhaps it is too long, perhaps one of its clients is the cause."""

    def __init__(self, *, too_long: bool) -> None:
        super().__init__()
        self.too_long = too_long


class SelectionRefused(FeatureSetMismatch):
    """Features that were asked for are not served any more. `selection`: all that were asked for."""

    def __init__(self, selection: Sequence[str], refused: Sequence[str]) -> None:
        super().__init__(", ".join(refused))
        self.selection = selection


def found_in(reply: Reply, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found | Exception]:
    """The answer about each client that has one, or whose vector cannot be read. Raises FeatureServiceBroken."""
    try:
        batch = _BATCH.validate_json(reply.content)
        vectors, missing = batch["features"], batch["not_found"]
    except ValidationError:
        vectors, missing = _readable(reply.content, ask)
    found: dict[int, Found | Exception] = {
        vector["client_id"]: Found(vector, ask.request_id, reply.digest) for vector in vectors
    }
    asked, said = set(client_ids), found.keys() | missing
    if not said <= asked or not found.keys().isdisjoint(missing):
        raise FeatureServiceBroken  # an answer to another question
    if said == asked:
        return found
    return found | {client_id: FeatureServiceBroken() for client_id in asked - said}


def _readable(content: bytes, ask: Ask[object]) -> tuple[list[Vector], list[int]]:
    """Those vectors of an answer that can be read, and the ids that have none."""
    try:
        batch = _LOOSE_BATCH.validate_json(content)
    except ValidationError as fault:
        raise translated(fault, FeatureServiceBroken(), ask) from fault
    vectors = []
    for candidate in batch["features"]:
        with suppress(ValidationError):
            vectors.append(_VECTOR.validate_python(candidate))
    return vectors, batch["not_found"]


def translated(fault: Exception, problem: ProblemError, ask: Ask[object]) -> ProblemError:
    """The problem that a foreign failure is to a caller. Logs the cause, which the answer does not tell."""
    log.warning("feature_service_failed", cause=type(fault).__name__, problem=problem.type, request_id=ask.request_id)
    return problem


_PASSED_ON: Mapping[object, type[ProblemError]] = {
    StoreUnavailable.type: StoreUnavailable,
    DeadlineExceeded.type: FeatureServiceTimeout,
    FeatureServiceTimeout.type: FeatureServiceTimeout,
}
"""What a problem of the feature service, or of the gateway before it, is to a caller of this one."""

_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)


def refusal(answer: httpx.Response, content: bytes, selection: Sequence[str] = ()) -> ProblemError:
    """The problem that an answer other than 200 is to a caller. `selection`: the features that were asked for."""
    try:
        said = _PROBLEM.validate_json(content)
    except ValidationError:
        said = {}
    if (kind := said.get("type")) in _PASSED_ON:
        return _PASSED_ON[kind]()
    if refused := _refused(selection, said.get("errors")):
        return SelectionRefused(selection, refused)
    if answer.status_code in REFUSED:
        return FeatureServiceRefusedUs()
    # A gateway in between answers 503 when there is nothing behind it.
    if answer.status_code in (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS):
        problem = FeatureServiceUnavailable()
        wait = answer.headers.get("retry-after", "")
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS and _SECONDS.fullmatch(wait):
            problem.headers["Retry-After"] = wait
        return problem
    if answer.status_code in (httpx.codes.UNPROCESSABLE_ENTITY, httpx.codes.INTERNAL_SERVER_ERROR):
        return BatchRefused(too_long=answer.status_code == httpx.codes.UNPROCESSABLE_ENTITY)
    return FeatureServiceBroken()


def _refused(selection: Sequence[str], errors: object) -> list[str]:
    """Those of the features that the errors of a problem point to."""
    parts = errors if isinstance(errors, list) else []
    pointers = [part.get("pointer") for part in parts if isinstance(part, dict)]
    return [name for position, name in enumerate(selection) if f"#/features/{position}" in pointers]


@lru_cache(maxsize=8)
def digest_in(header: str | None) -> str | None:
    """That of the feature set, in the header field that names it."""
    found = _DIGEST.search(header or "")
    return found[1] if found else None


_DIGEST = re.compile(r"digest=([0-9a-f]{1,128})\b")
