"""The layer around every request: its id, deadline, log line and duration, the fast path, and unexpected failures."""

import asyncio
import re
from collections.abc import Sequence
from random import Random
from time import perf_counter
from typing import Any, NamedTuple

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.access.rules import Access
from service_kit.operations import FastPath, Operation
from service_kit.problems import ContentTooLarge, InternalError, ProblemError
from service_kit.request.ask import Ask, Opened
from service_kit.request.deadlines import Deadlines
from service_kit.request.dialects import Dialect
from service_kit.request.headers import EVERYWHERE, PERSONAL_WRITTEN, protective_headers, says_itself, written
from service_kit.request.parsing import CallerGone, read_body
from service_kit.request.refusals import problem_answer
from service_kit.routes import header, response_of
from service_kit.server.entrance import Written
from service_kit.settings import ServiceSettings
from service_kit.telemetry.logs import request_log
from service_kit.telemetry.metrics import RequestMetrics, route_of

log = structlog.get_logger()

_HEAD = b"content-length: %d\r\ncontent-type: application/json\r\n%bx-request-id: %b\r\n%b"
"""The headers of the ordinary answer of a hot operation, as bytes on the wire."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_random = Random()  # noqa: S311 -- ids have to differ, not to be secret; seeded by the system


def _new_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{_random.getrandbits(128) & ~(0xF << 76 | 0xC << 60) | 4 << 76 | 8 << 60:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class HotRequest(NamedTuple):
    """A request for a hot operation. The server may ask for its answer directly, without ASGI messages."""

    layer: "RequestLayer"
    operation: Operation[Any]
    values: tuple[str, ...]

    @property
    def takes_body(self) -> bool:
        return self.operation.body is not None

    async def answer(self, scope: Scope, body: bytes) -> Written | None:
        """The ordinary answer. None if the answer is another one; then call the layer with this scope to get it."""
        return await self.layer.answer_directly(scope, self.operation, self.values, body)


CALLER_GONE = 499
"""The status in logs and metrics if the caller closed the connection before the answer (as in nginx)."""


class RequestLayer:
    """ASGI middleware: puts the `ask` of the request into the scope, and `X-Request-ID` on the answer.

    The caller's request id is used if it is 1 to 128 letters, digits, or `._:-`; otherwise a new one is made. Every
    request has a deadline: the time of the event loop until which its caller waits.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        settings: ServiceSettings,
        metrics: RequestMetrics,
        access: Access | None = None,
        fast_path: FastPath | None = None,
        opened: Opened[Any] | None = None,
        dialects: Sequence[Dialect] = (),
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._service = service
        self._max_body_bytes = settings.max_body_bytes
        self._deadlines = Deadlines(settings)
        self._find = (fast_path or FastPath()).find
        self._opened = opened or Opened()
        self._dialects = dialects

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = scope.get("started") or perf_counter()
        protective = protective_headers(scope)  # now: a mount changes the scope
        status = 0
        ask: Ask[Any] | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = ask.answer_headers if ask else ()
                given = message["headers"]
                added = EVERYWHERE if says_itself(given) else protective
                message["headers"] = [*given, *own, (b"x-request-id", request_id.encode()), *added]
            await send(message)

        given_timeout = None if "request_id" in scope else self._identify(scope)
        request_id: str = scope["request_id"]
        try:
            self._admit(scope)
            ask = scope.get("ask") or self._ask(scope, given_timeout)
            await self._answer(scope, receive, send_with_id)
        except asyncio.CancelledError as cancelled:
            if not isinstance(cancelled, CallerGone) and not scope.get("caller_gone"):
                raise
            status = CALLER_GONE
        except ProblemError as problem:
            await problem_answer(scope, problem)(scope, receive, send_with_id)
        except Exception:
            log.exception("unexpected_failure", service=self._service, request_id=request_id, route=route_of(scope))
            if not status:
                await problem_answer(scope, InternalError())(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, perf_counter() - started)

    def hot(self, method: str, path: str) -> HotRequest | None:
        """The request for a hot operation, or None if the operation is not hot."""
        found = self._find(method, path)
        return HotRequest(self, *found) if found is not None else None

    async def answer_directly(
        self, scope: Scope, operation: Operation[Any], values: Sequence[str], body: bytes
    ) -> Written | None:
        """See `HotRequest.answer`. The request is already admitted."""
        scope["started"] = started = perf_counter()
        scope["route_template"] = operation.address
        given_timeout = self._identify(scope)
        try:
            ask = self._ask(scope, given_timeout)
            answer = await operation.answers(ask, values, scope["query_string"], body, _content_type(scope, operation))
        except asyncio.CancelledError:
            if scope.get("caller_gone"):
                self._record(scope, scope["request_id"], CALLER_GONE, perf_counter() - started)
            raise
        except Exception as failure:  # noqa: BLE001 -- the layer raises it again where it can send an answer
            scope["outcome"] = operation, failure
            return None
        if not (isinstance(answer, bytes) and operation.ordinary):
            scope["outcome"] = operation, answer
            return None
        self._record(scope, ask.request_id, 200, perf_counter() - started)
        head = _HEAD % (len(answer), written(ask.answer_headers), ask.request_id.encode(), PERSONAL_WRITTEN)
        return Written(head, answer)

    def _identify(self, scope: Scope) -> bytes | None:
        """Store the id of the request in its scope.

        Returns the value of the header with the caller's timeout, if there is one.
        """
        given_id: bytes = b""
        given_timeout: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given_id = value
            elif name == b"x-request-timeout-ms":
                given_timeout = value
        scope["request_id"] = given_id.decode("ascii") if _REQUEST_ID.fullmatch(given_id) else _new_id()
        scope["dialects"] = self._dialects
        return given_timeout

    def _ask(self, scope: Scope, given_timeout: bytes | None) -> Ask[Any]:
        deadline = self._deadlines.of(scope["method"], given_timeout)
        fields = scope.setdefault("log_fields", {})
        scope["ask"] = ask = Ask(scope["request_id"], deadline, self._opened.state, fields, headers=scope["headers"])
        return ask

    def _admit(self, scope: Scope) -> None:
        if (refusal := scope.get("refusal")) is not None:  # the protocol has asked already
            raise refusal
        if self._access is not None and "place" not in scope:
            self._access.admit(scope)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.observe_request(route, scope["method"], status, seconds)
        if lines := request_log():
            event: dict[str, Any] = {
                "event": "request",
                "service": self._service,
                "request_id": request_id,
                "method": scope["method"],
                "route": route,
                "status": status,
                "duration_ms": round(seconds * 1000, 3),
            }
            if problem := scope.get("problem"):
                event["problem"] = problem
            if fields := scope.get("log_fields"):
                event |= fields
            lines.write(event)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "outcome" in scope:
            operation, outcome = scope["outcome"]
            if isinstance(outcome, Exception):
                raise outcome
            await response_of(operation, outcome, scope)(scope, receive, send)
            return
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            declared = header(scope, b"content-length")
            if declared.isdigit() and int(declared) > self._max_body_bytes:
                raise ContentTooLarge(f"A body has at most {self._max_body_bytes} bytes.")
        found = self._find(method, scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return
        operation, values = found
        scope["route_template"] = operation.address
        body = b"" if operation.body is None else await read_body(receive, self._max_body_bytes)
        content_type = _content_type(scope, operation)
        answer = await operation.answers(scope["ask"], values, scope["query_string"], body, content_type)
        await response_of(operation, answer, scope)(scope, receive, send)


def _content_type(scope: Scope, operation: Operation[Any]) -> bytes:
    return b"" if operation.body is None else header(scope, b"content-type")
