"""The one layer around every request: its id, log line and duration, its lane, and the last resort for an unknown failure."""

import asyncio
import re
from random import Random
from time import perf_counter
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.access import Access
from service_kit.lanes import Lanes, read_body, replayed
from service_kit.logs import request_log
from service_kit.metrics import Metrics
from service_kit.problems import ContentTooLarge, InternalError, InvalidRequest, ProblemError
from service_kit.protection import protective_headers
from service_kit.settings import ServiceSettings
from shared_schemas import InvalidPart

log = structlog.get_logger()

TIMEOUT_HEADER = "X-Request-Timeout-Ms"

_MILLISECONDS = re.compile(rb"[1-9][0-9]{0,8}")
_JSON = (b"content-type", b"application/json")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_random = Random()  # noqa: S311 -- ids have to differ, not to be secret; seeded by the system


def _header(scope: Scope, name: bytes) -> bytes | None:
    for key, value in scope["headers"]:
        if key == name:
            return value  # type: ignore[no-any-return]
    return None


def _new_id() -> str:
    """A random UUID (RFC 9562, version 4)."""
    digits = f"{_random.getrandbits(128) & ~(0xF << 76 | 0xC << 60) | 4 << 76 | 8 << 60:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _deadline(given: bytes, longest: float) -> float:
    """The loop time until which the caller waits. `given`: milliseconds."""
    if not _MILLISECONDS.fullmatch(given):
        detail = "The time to wait is a whole number of milliseconds, 1 or more"
        raise InvalidRequest(errors=[InvalidPart(pointer=f"header/{TIMEOUT_HEADER}", detail=detail)])
    return asyncio.get_running_loop().time() + min(longest, int(given) / 1000)


def route_of(scope: Scope) -> str:
    """The template of the route that answered; one word for all addresses that are none."""
    return str(scope.get("route_template") or getattr(scope.get("route"), "path_format", None) or "unmatched")


CALLER_GONE = 499
"""What logs and metrics say of a request whose caller hung up before the answer (as nginx does)."""


class RequestLayer:
    """ASGI middleware. Puts `request_id` and `deadline` into the scope, and `X-Request-ID` on the answer.

    A request id is taken from the caller if it is 1 to 128 letters, digits, or `._:-`, and made otherwise. The deadline is
    the loop time after which the caller does not wait for the answer; whatever waits for something holds itself to it. It is
    None where the caller has not said: then the timeouts of the parts hold.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: str,
        settings: ServiceSettings,
        metrics: Metrics,
        lanes: Lanes,
        access: Access | None,
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._service = service
        self._max_body_bytes = settings.max_body_bytes
        self._longest = settings.request_timeout_seconds
        self._lanes = lanes

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
        protective = protective_headers(scope)  # now: a mount changes the scope
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode()), *protective]
            await send(message)

        try:
            if self._access is not None:
                self._access.admit(scope)
            scope["deadline"] = None if given_timeout is None else _deadline(given_timeout, self._longest)
            body = await self._answer(scope, receive, send_with_id)
            if body is not None:
                status = 200
                headers = [
                    _JSON, (b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode()), *protective
                ]  # fmt: skip
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": body})
        except asyncio.CancelledError:
            if not scope.get("caller_gone"):
                raise
            status = CALLER_GONE
        except ProblemError as problem:
            await problem.response(request_id)(scope, receive, send_with_id)
        except Exception:
            log.exception("unexpected_failure", service=self._service, request_id=request_id, route=route_of(scope))
            if not status:
                await InternalError().response(request_id)(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, perf_counter() - started)

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
            if fields := scope.get("log_fields"):
                event |= fields
            lines.write(event)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> bytes | None:
        """The body that a lane has made; None where the application has answered."""
        method = scope["method"]
        if method == "GET" and (answer := self._lanes.client(scope)):
            body = await answer
            if body is not None:
                return body
        if method in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return None
        declared = _header(scope, b"content-length")
        if declared and declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
        if method == "POST" and (lane := self._lanes.body(scope, _header(scope, b"content-type"))):
            content = await read_body(receive, self._max_body_bytes)
            if content is None:
                return None
            body = await lane(scope, content)
            if body is None:
                await self._app(scope, replayed(content, receive), send)
            return body
        await self._app(scope, self._limited(receive), send)
        return None

    def _limited(self, receive: Receive) -> Receive:
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        return receive_limited

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"A body has at most {self._max_body_bytes} bytes.")
