"""Converts errors of validation and of the framework to problems, and problems to answers."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from service_kit.access.rules import route_path
from service_kit.problems import InternalError, InvalidRequest, MethodNotAllowed, ProblemError, RouteNotFound
from service_kit.request.dialects import Dialect
from shared_schemas import InvalidPart


def _pointer(location: Sequence[int | str]) -> str:
    if location[0] == "body":
        return "#" + "".join(f"/{part}" for part in location[1:])
    return "/".join(str(part) for part in location)


def _invalid_part(error: ErrorDetails | Mapping[str, Any], location: Sequence[int | str]) -> InvalidPart:
    match error["type"]:
        case "extra_forbidden":  # the key is the caller's text too
            return InvalidPart(pointer=_pointer(location[:-1]), detail="There is a key that is not known here")
        case "json_invalid":
            return InvalidPart(pointer="#", detail="The body is not valid JSON")
        case "model_attributes_type" | "model_type" | "dict_type" if location == ["body"]:
            return InvalidPart(pointer="#", detail="Send a JSON object with Content-Type: application/json")
        case _:
            return InvalidPart(pointer=_pointer(location), detail=str(error["msg"]))


def invalid_request(part: str, error: ValidationError) -> InvalidRequest:
    """The problem for Pydantic's errors in a `part` of the request: body, query, path or header."""
    found = error.errors(include_input=False)
    return InvalidRequest(errors=[_invalid_part(one, [part, *one["loc"]]) for one in found])


def problem_answer(scope: Scope, problem: ProblemError) -> Response:
    """The answer for a problem, in the dialect of the path. The log line of the request names the problem type."""
    scope["problem"] = problem.type
    dialects: Sequence[Dialect] = scope.get("dialects", ())
    for dialect in dialects:
        if dialect.paths.match(route_path(scope)):
            return dialect.answer(problem)
    return problem.response(scope["request_id"])


def _from_http_exception(error: HTTPException, request: Request) -> ProblemError:
    match error.status_code:
        case 404:
            return RouteNotFound()
        case 405:
            problem = MethodNotAllowed()
            problem.headers["Allow"] = ", ".join(sorted(_allowed_methods(request)))
            return problem
        case _:
            return InternalError()


def _allowed_methods(request: Request) -> set[str]:
    """The methods of all routes at the address. The exception names those of the first one only."""
    at_address = (
        route
        for route in request.app.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
    )
    return {method for route in at_address for method in route.methods or ()}


def add_problem_handlers(app: Starlette) -> None:
    """Answer every failure of the application with problem details."""

    async def on_problem(request: Request, error: Exception) -> Response:
        assert isinstance(error, ProblemError)  # noqa: S101 -- registered for this type only
        return problem_answer(request.scope, error)

    async def on_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101
        return problem_answer(request.scope, _from_http_exception(error, request))

    async def on_defect(request: Request, _: Exception) -> Response:
        return problem_answer(request.scope, InternalError())

    app.add_exception_handler(ProblemError, on_problem)
    app.add_exception_handler(Exception, on_defect)
    app.add_exception_handler(HTTPException, on_http_exception)
