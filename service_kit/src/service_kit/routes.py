"""The FastAPI route of an operation.

It documents the operation, and answers requests that the fast path does not find.
"""

from inspect import Parameter, Signature, cleandoc
from typing import Annotated, Any

from fastapi import Path, Query, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.types import Scope

from service_kit.documents.problems import problem_responses
from service_kit.operations import Answer, Operation, is_model
from service_kit.request.parsing import DOCUMENTED_CLIENT_ID, read_body


def header(scope: Scope, name: bytes) -> bytes:
    """The first header with this name; empty if there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return value  # type: ignore[no-any-return]
    return b""


class OperationRoute(APIRoute):
    """A route whose signature is for the document only: the operation parses the requests."""

    def __init__(self, operation: Operation[Any], operation_id: str, max_body_bytes: int) -> None:
        self._operation = operation
        self._max_body_bytes = max_body_bytes
        address = operation.address
        if address.endswith("}"):
            address = f"{address[:-1]}:path}}"  # any text, slashes included: the operation's parser validates it
        summary, _, description = cleandoc(operation.handler.__doc__ or "").partition("\n")
        model = None if isinstance(operation.answer, str) else operation.answer
        options: dict[str, Any] = {} if model else {"response_class": _response_of(operation)}
        super().__init__(
            address,
            _endpoint(operation),
            methods=[operation.method],
            response_model=model,
            status_code=operation.status,
            operation_id=operation_id,
            tags=[operation.tag],
            summary=summary.rstrip("."),
            description=description.strip(),
            responses=_documented_problems(operation),
            **options,
        )

    def get_route_handler(self) -> Any:
        operation, limit = self._operation, self._max_body_bytes

        async def handle(request: Request) -> Response:
            scope = request.scope
            body = await read_body(request.receive, limit) if operation.body else b""
            values = [scope["path_params"][name] for name in operation.names]
            content_type = header(scope, b"content-type")
            scope["ask"].accept = header(scope, b"accept")
            answer = await operation.answers(scope["ask"], values, scope["query_string"], body, content_type)
            return response_of(operation, answer, scope)

        return handle


def response_of(operation: Operation[Any], answer: bytes | Answer, scope: Scope) -> Response:
    """An answer with an ETag is 304 if the caller has it already (RFC 9110, section 13.1.2)."""
    said = answer if isinstance(answer, Answer) else Answer(answer)
    if etag := said.headers.get("ETag"):
        known = {tag.strip().removeprefix("W/") for tag in header(scope, b"if-none-match").decode("latin-1").split(",")}
        if known & {etag, "*"}:
            return Response(None, 304, said.headers)
    media_type = said.media_type or (operation.media_type if operation.answer or said.body else None)
    return Response(said.body, said.status or operation.status, said.headers, media_type)


_REFUSALS = {
    401: "No API key, or not one that is good.",
    403: "The key is not for this.",
    429: "Too many requests of this key.",
}


def _documented_problems(operation: Operation[Any]) -> dict[int | str, dict[str, Any]]:
    if operation.dialect is None:
        return problem_responses({422: "The request is not valid: `/problems/invalid-request`", **operation.problems})
    return operation.dialect.responses({**(_REFUSALS if operation.scope else {}), **operation.problems})


def _response_of(operation: Operation[Any]) -> type[Response]:
    media_type = operation.media_type if operation.answer else None
    return type("DeclaredResponse", (Response,), {"media_type": media_type})


def _endpoint(operation: Operation[Any]) -> Any:
    async def endpoint() -> None:  # never called; without a docstring, because FastAPI would show it
        raise NotImplementedError

    parameters = [Parameter(name, Parameter.KEYWORD_ONLY, annotation=_documented(name)) for name in operation.names]
    if operation.query:
        parameters.append(Parameter("query", Parameter.KEYWORD_ONLY, annotation=Annotated[operation.query, Query()]))
    if is_model(operation.body):
        parameters.append(Parameter("body", Parameter.KEYWORD_ONLY, annotation=operation.body))
    endpoint.__name__ = operation.handler.__name__
    endpoint.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # what FastAPI reads
    return endpoint


def _documented(name: str) -> Any:
    if name == "client_id":
        return DOCUMENTED_CLIENT_ID
    if name.endswith("_id"):
        return Annotated[str, Path(description=f"Id of the {name[:-3]}.", json_schema_extra={"format": "uuid"})]
    return Annotated[str, Path(description=f"Name of a {name}.")]
