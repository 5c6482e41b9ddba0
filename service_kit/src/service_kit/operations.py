"""Operations: each is declared once, as a typed handler.

Routes, fast path, access rules and documents are made from that.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import GenericAlias
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, TypeGuard, TypeVar, get_type_hints

import orjson
from pydantic import BaseModel, TypeAdapter

from service_kit.access.rules import READ, Rule
from service_kit.problems import InvalidRequest
from service_kit.request.ask import Ask
from service_kit.request.dialects import Dialect
from service_kit.request.parsing import NoQuery, body_parser, client_id_of, parse_json, query_parser
from shared_schemas import InvalidPart

State = TypeVar("State")
Parts = ParamSpec("Parts")

_PARAMETER = re.compile(r"\{(\w+)\}")


class Answer(NamedTuple):
    """An answer with another status, media type or further headers than the operation declares."""

    body: bytes
    status: int | None = None
    headers: Mapping[str, str] = {}
    media_type: str | None = None


Handler = Callable[Concatenate[Ask[State], Parts], Awaitable[bytes | Answer]]


def is_model(body: object) -> TypeGuard[type[BaseModel]]:
    """Whether a body is declared as a Pydantic model, not as bytes or as a dict that an adapter validates."""
    return isinstance(body, type) and not isinstance(body, GenericAlias) and issubclass(body, BaseModel)


def json_bytes(content: object) -> bytes:
    """The JSON of an answer made of plain values and datetimes."""
    return orjson.dumps(content, option=orjson.OPT_UTC_Z)


class Operation(Generic[State]):
    """The declaration of one method at one address.

    The parameters of the handler after `ask` say which parts of the request it reads: the parameters of the address
    (`client_id` is an int, others are texts), `query` (a model), and `body` (a model, a `dict` of JSON that the state's
    `body_adapter` validates, or `bytes` of any content type).
    """

    def __init__(self, method: str, address: str, handler: Handler[State, ...], **said: Any) -> None:
        self.method = method
        self.address = address
        self.handler = handler
        self.answer: Any = said["answer"]
        self.scope: str | None = said["scope"]
        self.problems: Mapping[int, str] = said["problems"]
        self.status: int = said["status"]
        self.hot: bool = said["hot"]
        self.tag: str = said["tag"]
        self.needs: Callable[[State], object] | None = said["needs"]
        self.document: Callable[[State], Mapping[str, Any]] | None = said["document"]
        self.dialect: Dialect | None = said["dialect"]
        self.body_adapter: Callable[[State], TypeAdapter[dict[str, Any]]] | None = said["body_adapter"]
        self.ordinary = self.status == 200 and not isinstance(self.answer, str)
        """Whether the answer is 200 with JSON if the handler returns bytes."""
        self.names: list[str] = _PARAMETER.findall(address)
        self._client = self.names.index("client_id") if "client_id" in self.names else None
        hints = get_type_hints(handler, include_extras=True)
        _, *given = inspect.signature(handler).parameters
        self.query: type[BaseModel] | None = hints.get("query")
        self.body: type[BaseModel | bytes] | None = hints.get("body")
        expected = [*self.names, *(["query"] if self.query else []), *(["body"] if self.body else [])]
        if given != expected:
            raise TypeError(f"{handler.__qualname__} takes {given} where {method} {address} has {expected}")
        # Clients of foreign protocols may add keys of their own.
        self._parse_query = query_parser(self.query or NoQuery) if self.query or self.dialect is None else None
        self._parse_body = body_parser(self.body) if is_model(self.body) else None

    @property
    def media_type(self) -> str:
        return self.answer if isinstance(self.answer, str) else "application/json"

    @property
    def rule(self) -> Rule:
        """The access rule: the scope that a key needs for this operation."""
        methods = READ if self.method == "GET" else frozenset({self.method})
        return Rule(self.pattern, methods, self.scope)

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of this operation.

        A parameter at the end matches the rest of the path, which its parser then validates.
        """
        parts = re.split(r"(\{\w+\}$|\{\w+\})", self.address)
        return re.compile(
            "".join(
                re.escape(part)
                if not _PARAMETER.fullmatch(part)
                else "(.*)"
                if self.address.endswith(part)
                else "([^/]+)"
                for part in parts
            ),
            re.DOTALL,
        )

    def answers(
        self, ask: Ask[State], values: Sequence[str], query: bytes, body: bytes, content_type: bytes
    ) -> Awaitable[bytes | Answer]:
        """Parse the parts of a request and call the handler.

        Raises InvalidRequest with all parts that are not valid.
        """
        arguments: list[Any] = [*values]
        if self._client is not None:
            arguments[self._client] = client_id_of(values[self._client])
        if self.needs is not None:
            self.needs(ask.state)
        refused: list[InvalidPart] | None = None
        if self._parse_query is not None and (query or self.query is not None):
            try:
                parsed = self._parse_query(query)
            except InvalidRequest as problem:
                refused = [*(refused or ()), *(problem.errors or ())]
            else:
                if self.query is not None:
                    arguments.append(parsed)
        if self.body is not None:
            try:
                arguments.append(self._body(ask.state, body, content_type))
            except InvalidRequest as problem:
                refused = [*(refused or ()), *(problem.errors or ())]
        if refused is not None:
            raise InvalidRequest(errors=refused)
        return self.handler(ask, *arguments)

    def _body(self, state: State, body: bytes, content_type: bytes) -> Any:
        if self._parse_body is not None:
            return self._parse_body(body, content_type)
        if self.body_adapter is not None:
            return parse_json(self.body_adapter(state).validate_json, body, content_type)
        return body


class Operations(Generic[State]):
    """The operations of a service, or of one part of it, below an optional prefix.

    `dialect`: the format of failures for the clients of these operations; None: problem details.
    """

    def __init__(self, tag: str, prefix: str = "", dialect: Dialect | None = None) -> None:
        self.dialect = dialect
        self._tag = tag
        self._prefix = prefix
        self._declared: list[Operation[State]] = []

    def __iter__(self) -> Iterator[Operation[State]]:
        return iter(self._declared)

    def declare(
        self,
        method: str,
        address: str,
        answer: Any = None,
        *,
        scope: str | None,
        problems: Mapping[int, str] | None = None,
        status: int = 200,
        hot: bool = False,
        needs: Callable[[State], object] | None = None,
        document: Callable[[State], Mapping[str, Any]] | None = None,
        body_adapter: Callable[[State], TypeAdapter[dict[str, Any]]] | None = None,
    ) -> Callable[[Handler[State, Parts]], Handler[State, Parts]]:
        """Declare the decorated handler. Its docstring is the summary and the description of the operation.

        `answer`: the model of the JSON answer, a media type, or None without content. `scope`: the scope that a key
        needs; None: no key is needed. `hot`: whether the operation is found without routing; then its address has no
        parameter but `client_id={client_id}` at the end.

        `needs(state)` raises the problem that makes the operation impossible; it is called before the query and the
        body are parsed. `document(state)` is merged into the OpenAPI document, for parts that depend on the state.
        `body_adapter(state)` returns the adapter for a body whose schema depends on the state.
        """

        def add(handler: Handler[State, Parts]) -> Handler[State, Parts]:
            said = {"answer": answer, "scope": scope, "problems": problems or {}, "status": status, "hot": hot}
            said |= {"tag": self._tag, "needs": needs, "document": document, "body_adapter": body_adapter}
            said["dialect"] = self.dialect
            self._declared.append(Operation(method, self._prefix + address, handler, **said))
            return handler

        return add


Found = tuple[Operation[Any], tuple[str, ...]]
"""An operation, and the values of the parameters in the address, as texts."""


class FastPath:
    """Finds hot operations without routing. All others are found by routing, with the same answers."""

    def __init__(self, operations: Sequence[Operation[Any]] = ()) -> None:
        self._literal: dict[str, dict[str, Found]] = {}
        self._by_client: dict[str, dict[str, Operation[Any]]] = {}
        for operation in operations:
            if operation.hot and not operation.names:
                self._literal.setdefault(operation.method, {})[operation.address] = operation, ()
            elif operation.hot:
                prefix = operation.address.removesuffix("{client_id}")
                if not prefix.endswith("client_id=") or "{" in prefix:
                    raise TypeError(f"{operation.address} cannot be hot")
                self._by_client.setdefault(operation.method, {})[prefix] = operation

    def find(self, method: str, path: str) -> Found | None:
        cut = path.find("=") + 1
        if not cut:
            literal = self._literal.get(method)
            return literal.get(path) if literal else None
        by_client = self._by_client.get(method)
        operation = by_client.get(path[:cut]) if by_client else None
        return (operation, (path[cut:],)) if operation else None
