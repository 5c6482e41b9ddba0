"""Answers of the feature service, read as vectors or translated into a problem for the caller."""

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
"""Status codes that refuse the API key."""


class Vector(TypedDict):
    """A vector as the store sent it, with one key for each feature. The quality check judges the types of its values.

    `feature_timestamps`: the event timestamps of the features whose event is older than `event_timestamp`.
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
    """A vector and the request id of its call. If several requests shared the call, it is the id of the first one.

    `digest`: the digest of the vector's feature set; None if the feature service does not say it.
    """

    vector: Vector
    request_id: str
    digest: str | None


class Reply(NamedTuple):
    """The body of an answer, and the digest of the feature set from its header, if any."""

    content: bytes
    digest: str | None


class BatchRefused(FeatureServiceBroken):
    """The feature service failed on this batch: it may be too long, or one of its clients may be the cause."""

    def __init__(self, *, too_long: bool) -> None:
        super().__init__()
        self.too_long = too_long


class SelectionRefused(FeatureSetMismatch):
    """Some requested features are not served any more. `selection`: all requested features."""

    def __init__(self, selection: Sequence[str], refused: Sequence[str]) -> None:
        super().__init__(", ".join(refused))
        self.selection = selection


def found_in(reply: Reply, client_ids: Sequence[int], ask: Ask[object]) -> dict[int, Found | Exception]:
    """Return the vector of each client that has one, or a problem if it cannot be read.

    Raises FeatureServiceBroken if the answer cannot be read, or is about other clients than those requested.
    """
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
        raise FeatureServiceBroken  # the answer is about other clients, or contradicts itself
    if said == asked:
        return found
    return found | {client_id: FeatureServiceBroken() for client_id in asked - said}


def _readable(content: bytes, ask: Ask[object]) -> tuple[list[Vector], list[int]]:
    """Return the readable vectors of an answer, and the ids of clients that were not found."""
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
    """Return the problem to raise for this failure, and log its cause, which the caller does not see."""
    log.warning("feature_service_failed", cause=type(fault).__name__, problem=problem.type, request_id=ask.request_id)
    return problem


_PASSED_ON: Mapping[object, type[ProblemError]] = {
    StoreUnavailable.type: StoreUnavailable,
    DeadlineExceeded.type: FeatureServiceTimeout,
    FeatureServiceTimeout.type: FeatureServiceTimeout,
}
"""Problem types of the feature service or its gateway, with the problem that each becomes for a caller."""

_SECONDS = re.compile(r"[0-9]{1,5}", re.ASCII)


def refusal(answer: httpx.Response, content: bytes, selection: Sequence[str] = ()) -> ProblemError:
    """Return the problem for an answer with a status other than 200. `selection`: the requested features."""
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
    # A gateway in between answers 503 if no feature service is available behind it.
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
    """The requested features that the errors of a problem point to."""
    parts = errors if isinstance(errors, list) else []
    pointers = [part.get("pointer") for part in parts if isinstance(part, dict)]
    return [name for position, name in enumerate(selection) if f"#/features/{position}" in pointers]


@lru_cache(maxsize=8)
def digest_in(header: str | None) -> str | None:
    """The digest in the header field `Feature-Set`, or None."""
    found = _DIGEST.search(header or "")
    return found[1] if found else None


_DIGEST = re.compile(r"digest=([0-9a-f]{1,128})\b")
