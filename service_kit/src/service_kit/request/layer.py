"""The layer around every request: its id, deadline, log line and duration, the fast path, and unexpected failures."""

import asyncio
import re
from collections.abc import Sequence
from random import Random
from time import perf_counter
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.access.rules import Access
from service_kit.operations import FastPath
from service_kit.problems import ContentTooLarge, InternalError, ProblemError
from service_kit.request.ask import Ask, Opened
from service_kit.request.deadlines import Deadlines
from service_kit.request.dialects import Dialect
from service_kit.request.headers import EVERYWHERE, PERSONAL, PERSONAL_WRITTEN, protective_headers, says_itself, written
from service_kit.request.parsing import CallerGone, read_body
from service_kit.request.refusals import problem_answer
from service_kit.request.routes import header, response_of
from service_kit.settings import ServiceSettings
from service_kit.telemetry.logs import request_log
from service_kit.telemetry.metrics import RequestMetrics

log = structlog.get_logger()

_JSON = (b"content-type", b"application/json")
_HEAD = b"content-type: application/json\r\ncontent-length: %d\r\n%bx-request-id: %b\r\n%b"
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_random = Random()  # noqa: S311 -- ids have to differ, not to be secret; seeded by the system


def _new_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{_random.getrandbits(128) & ~(0xF << 76 | 0xC << 60) | 4 << 76 | 8 << 60:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


async def _send_whole(scope: Scope, send: Send, ask: Ask[Any], body: bytes) -> None:
    """Send the ordinary answer of a hot operation: in one step where the server offers that."""
    request_id = ask.request_id.encode()
    in_one_step = scope.get("answer_whole")
    if in_one_step is not None:
        head = _HEAD % (len(body), written(ask.answer_headers), request_id, PERSONAL_WRITTEN)
        if in_one_step(scope, head, body):
            return
    headers = [
        _JSON, (b"content-length", b"%d" % len(body)), *ask.answer_headers, (b"x-request-id", request_id), *PERSONAL,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def route_of(scope: Scope) -> str:
    """The template of the route that answered; one word for all addresses that are none."""
    return str(scope.get("route_template") or getattr(scope.get("route"), "path_format", None) or "unmatched")


CALLER_GONE = 499
"""What logs and metrics say of a request whose caller hung up before the answer (as nginx does)."""


class RequestLayer:
    """ASGI middleware. Puts the `ask` of the request into the scope, and `X-Request-ID` on the answer.

    A request id is taken from the caller if it is 1 to 128 letters, digits, or `._:-`, and made otherwise. Every request has
    a deadline: the loop time after which its caller does not wait any more.
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
        started = perf_counter()
        given_id: bytes = b""
        given_timeout: bytes | None = None
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                given_id = value
            elif name == b"x-request-timeout-ms":
                given_timeout = value
        request_id = given_id.decode("ascii") if _REQUEST_ID.fullmatch(given_id) else _new_id()
        scope["request_id"] = request_id
        scope["dialects"] = self._dialects
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

        try:
            self._admit(scope)
            deadline = self._deadlines.of(scope["method"], given_timeout)
            fields = scope.setdefault("log_fields", {})
            scope["ask"] = ask = Ask(request_id, deadline, self._opened.state, fields, headers=scope["headers"])
            body = await self._answer(scope, receive, send_with_id)
            if body is not None:
                status = 200
                await _send_whole(scope, send, ask, body)
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

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> bytes | None:
        """The body of a hot operation's ordinary answer; None where the answer has been sent."""
        method = scope["method"]
        if method not in ("GET", "HEAD"):
            declared = header(scope, b"content-length")
            if declared.isdigit() and int(declared) > self._max_body_bytes:
                raise ContentTooLarge(f"A body has at most {self._max_body_bytes} bytes.")
        found = self._find(method, scope["path"])
        if found is None:
            await self._app(scope, receive, send)
            return None
        operation, values = found
        scope["route_template"] = operation.address
        content_type = body = b""
        if operation.body is not None:
            content_type, body = header(scope, b"content-type"), await read_body(receive, self._max_body_bytes)
        answer = await operation.answers(scope["ask"], values, scope["query_string"], body, content_type)
        if isinstance(answer, bytes) and operation.ordinary:
            return answer
        await response_of(operation, answer, scope)(scope, receive, send)
        return None
