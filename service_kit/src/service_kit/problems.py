"""Problem details (RFC 9457): the one tree of expected failures. Every problem type that any part answers with stands in it.

ProblemError
├── BadRequest                   400  of the protocol, and of the gateway
├── Unauthenticated              401
├── Forbidden                    403
├── HostNotAllowed               403
├── ClientNotFound               404
├── RouteNotFound                404
├── MethodNotAllowed             405
├── RequestTimeout               408  of the protocol, and of the gateway
├── ContentTooLarge              413
├── AddressTooLong               414  of the protocol, and of the gateway
├── InvalidRequest               422
├── RateLimited                  429
├── HeadersTooLarge              431  of the protocol, and of the gateway
├── InternalError                500
├── Overloaded                   503
├── ShuttingDown                 503
├── StoreUnavailable             503
├── PredictionServiceUnavailable 503  of the gateway
├── DeadlineExceeded             504
├── PredictionServiceTimeout     504  of the gateway
└── (each service adds the leaves that only it raises in its errors.py)
"""

from collections.abc import Sequence
from typing import ClassVar

from starlette.responses import Response

from shared_schemas import InvalidPart, Problem

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An expected failure.

    The message becomes `detail`. It never contains input values or the text of a foreign error.
    """

    type: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    retry_after: ClassVar[int | None] = None
    """Seconds after which a retry makes sense; None if a retry does not help."""

    def __init__(self, detail: str | None = None, *, errors: Sequence[InvalidPart] | None = None) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.errors = errors
        self.headers: dict[str, str] = {}

    def response(self, request_id: str) -> Response:
        body = Problem(
            type=self.type,
            title=self.title,
            status=self.status,
            detail=self.detail,
            instance=f"urn:uuid:{request_id}",
            errors=list(self.errors) if self.errors else None,
        ).model_dump_json(exclude_none=True)
        return Response(body, self.status, self.answer_headers(), MEDIA_TYPE)

    def answer_headers(self) -> dict[str, str]:
        """Headers of the answer, independent of the format of its body."""
        after = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return after | self.headers


class BadRequest(ProblemError):
    type = "/problems/bad-request"
    title = "The request is not valid HTTP"
    status = 400


class RequestTimeout(ProblemError):
    type = "/problems/request-timeout"
    title = "The request did not arrive in time"
    status = 408


class AddressTooLong(ProblemError):
    type = "/problems/address-too-long"
    title = "The address is longer than the limit"
    status = 414


class HeadersTooLarge(ProblemError):
    type = "/problems/headers-too-large"
    title = "The headers are larger than the limit"
    status = 431


class Unauthenticated(ProblemError):
    """The answer for a missing, unknown, expired or malformed key.

    It does not say which, because that would only help an attacker.
    """

    type = "/problems/unauthenticated"
    title = "A valid API key is required"
    status = 401

    def __init__(self) -> None:
        super().__init__("Send it as X-API-Key, or as Authorization: Bearer; one key, once.")
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(ProblemError):
    type = "/problems/forbidden"
    title = "The API key lacks the scope for this operation"
    status = 403


class RateLimited(ProblemError):
    type = "/problems/rate-limited"
    title = "Too many requests with this API key"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.headers["Retry-After"] = str(retry_after)


class HostNotAllowed(ProblemError):
    type = "/problems/host-not-allowed"
    title = "The Host header is not allowed"
    status = 403


class ClientNotFound(ProblemError):
    type = "/problems/client-not-found"
    title = "Client not found"
    status = 404


class RouteNotFound(ProblemError):
    type = "/problems/not-found"
    title = "No such address"
    status = 404


class MethodNotAllowed(ProblemError):
    type = "/problems/method-not-allowed"
    title = "Method not allowed at this address"
    status = 405


class ContentTooLarge(ProblemError):
    type = "/problems/content-too-large"
    title = "The body is larger than the limit"
    status = 413


class InvalidRequest(ProblemError):
    type = "/problems/invalid-request"
    title = "The request is not valid"
    status = 422


class Overloaded(ProblemError):
    type = "/problems/overloaded"
    title = "The service is overloaded"
    status = 503
    retry_after = 1


class DeadlineExceeded(ProblemError):
    type = "/problems/deadline-exceeded"
    title = "The deadline of the request has passed"
    status = 504


class InternalError(ProblemError):
    type = "/problems/internal-error"
    title = "Internal error"
    status = 500


class ShuttingDown(ProblemError):
    """The answer of readiness while the service drains. Other requests are still answered."""

    type = "/problems/shutting-down"
    title = "The service is shutting down"
    status = 503
    retry_after = 1


class StoreUnavailable(ProblemError):
    """The feature service gets no answer from PostgreSQL."""

    type = "/problems/store-unavailable"
    title = "The feature store is unavailable"
    status = 503
    retry_after = 1


class PredictionServiceUnavailable(ProblemError):
    type = "/problems/prediction-service-unavailable"
    title = "The prediction service is unavailable"
    status = 503
    retry_after = 1


class PredictionServiceTimeout(ProblemError):
    type = "/problems/prediction-service-timeout"
    title = "The prediction service did not answer in time"
    status = 504
