"""Problem details (RFC 9457): the tree of expected failures, and their way onto the wire.

ProblemError
├── Unauthenticated           401
├── Forbidden                 403
├── ClientNotFound            404
├── RouteNotFound             404
├── MethodNotAllowed          405
├── ContentTooLarge           413
├── InvalidRequest            422
├── RateLimited               429
├── InternalError             500
├── Overloaded                503
├── DeadlineExceeded          504
├── ShuttingDown              503
└── (each service adds its own leaves in its errors.py)
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared_schemas import InvalidPart, Problem

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An expected failure. The message becomes `detail`: it is written here and never holds input or a foreign text."""

    type: ClassVar[str]
    title: ClassVar[str]
    status: ClassVar[int]
    retry_after: ClassVar[int | None] = None
    """Seconds after which to try again, where that can help."""

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
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return Response(body, self.status, headers, MEDIA_TYPE)


class Unauthenticated(ProblemError):
    """One answer for a key that is missing, unknown, expired or malformed: which of these it is helps only a guesser."""

    type = "/problems/unauthenticated"
    title = "This needs a valid API key"
    status = 401

    def __init__(self) -> None:
        super().__init__("Send it as X-API-Key, or as Authorization: Bearer; one key, once.")
        self.headers["WWW-Authenticate"] = "Bearer"


class Forbidden(ProblemError):
    type = "/problems/forbidden"
    title = "The API key is not for this"
    status = 403


class RateLimited(ProblemError):
    type = "/problems/rate-limited"
    title = "There were too many requests with this API key"
    status = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__()
        self.headers["Retry-After"] = str(retry_after)


class ClientNotFound(ProblemError):
    type = "/problems/client-not-found"
    title = "There is no such client"
    status = 404


class RouteNotFound(ProblemError):
    type = "/problems/not-found"
    title = "There is nothing at this address"
    status = 404


class MethodNotAllowed(ProblemError):
    type = "/problems/method-not-allowed"
    title = "This address does not take this method"
    status = 405


class ContentTooLarge(ProblemError):
    type = "/problems/content-too-large"
    title = "The body is larger than this service reads"
    status = 413


class InvalidRequest(ProblemError):
    type = "/problems/invalid-request"
    title = "The request is not valid"
    status = 422


class Overloaded(ProblemError):
    type = "/problems/overloaded"
    title = "The service has more to do than it can at the moment"
    status = 503
    retry_after = 1


class DeadlineExceeded(ProblemError):
    type = "/problems/deadline-exceeded"
    title = "There was no answer within the time that the request may take"
    status = 504


class InternalError(ProblemError):
    type = "/problems/internal-error"
    title = "The service failed"
    status = 500


class ShuttingDown(ProblemError):
    """Only readiness answers this: what else is asked meanwhile is still answered."""

    type = "/problems/shutting-down"
    title = "This process was told to stop"
    status = 503
    retry_after = 1


def _pointer(location: Sequence[int | str]) -> str:
    if location and location[0] == "body":
        return "#" + "".join(f"/{part}" for part in location[1:])
    return "/".join(str(part) for part in location)


def _invalid_part(error: ErrorDetails | Mapping[str, Any]) -> InvalidPart:
    location = list(error["loc"])
    match error["type"]:
        case "extra_forbidden":  # the key is the caller's text, too
            return InvalidPart(pointer=_pointer(location[:-1]), detail="There is a key that is not known here")
        case "json_invalid":
            return InvalidPart(pointer="#", detail="The body is not valid JSON")
        case "model_attributes_type" | "model_type" | "dict_type" if location == ["body"]:
            return InvalidPart(pointer="#", detail="Send a JSON object with Content-Type: application/json")
        case _:
            return InvalidPart(pointer=_pointer(location), detail=str(error["msg"]))


def invalid_request(errors: Iterable[ErrorDetails | Mapping[str, Any]]) -> InvalidRequest:
    """The problem for what Pydantic found; locations start with `body`, `path`, `query` or `header`."""
    return InvalidRequest(errors=[_invalid_part(error) for error in errors])


def invalid_body(error: ValidationError) -> InvalidRequest:
    """The problem for a body that was validated outside of FastAPI."""
    return invalid_request({**found, "loc": ("body", *found["loc"])} for found in error.errors(include_input=False))


def request_id_of(request: Request) -> str:
    return str(request.scope["request_id"])


def _from_http_exception(error: HTTPException) -> ProblemError:
    if isinstance(error.__cause__, ProblemError):  # raised while the framework read the body
        return error.__cause__
    problem: ProblemError
    match error.status_code:
        case 404:
            problem = RouteNotFound()
        case 405:
            problem = MethodNotAllowed()
        case 400 | 422:
            problem = InvalidRequest(errors=[InvalidPart(pointer="#", detail="The body is not valid JSON")])
        case _:
            problem = InternalError()
    problem.headers.update(error.headers or {})
    return problem


def add_problem_handlers(app: FastAPI) -> None:
    """Answer every failure of the application with problem details."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 -- registered for this type only
        return error.response(request_id_of(request))

    async def on_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        return invalid_request(error.errors()).response(request_id_of(request))

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return _from_http_exception(error).response(request_id_of(request))

    async def on_defect(request: Request, _: Exception) -> Response:
        return InternalError().response(request_id_of(request))

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(Exception, on_defect)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_exception)
