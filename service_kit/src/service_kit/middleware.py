"""The one layer around every request: its id, log line and duration, and the last resort for an unknown failure."""

import re
from time import perf_counter
from uuid import uuid4

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service_kit.access import Access
from service_kit.metrics import Metrics
from service_kit.problems import ContentTooLarge, InternalError, ProblemError
from service_kit.protection import protective_headers

log = structlog.get_logger()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")


def _header(scope: Scope, name: bytes) -> bytes | None:
    return next((value for key, value in scope["headers"] if key == name), None)


def _request_id(scope: Scope) -> str:
    given = _header(scope, b"x-request-id")
    return given.decode("ascii") if given and _REQUEST_ID.fullmatch(given) else str(uuid4())


def route_of(scope: Scope) -> str:
    """The template of the route that answered; one word for all addresses that are none."""
    return str(getattr(scope.get("route"), "path_format", None) or scope.get("route_template") or "unmatched")


class RequestLayer:
    """ASGI middleware. Puts `request_id` into the scope and `X-Request-ID` on the answer.

    A request id is taken from the caller if it is 1 to 128 letters, digits, or `._:-`, and made otherwise.
    """

    def __init__(
        self, app: ASGIApp, metrics: Metrics, service: str, max_body_bytes: int, access: Access | None = None
    ) -> None:
        self._app = app
        self._access = access
        self._metrics = metrics
        self._service = service
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = scope["request_id"] = _request_id(scope)
        protective = protective_headers(scope)  # now: a mount changes the scope
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
                message["headers"] = [*message["headers"], *protective]
            await send(message)

        try:
            if self._access is not None:
                self._access.admit(scope)
            await self._answer(scope, receive, send_with_id)
        except ProblemError as refusal:
            await refusal.response(request_id)(scope, receive, send_with_id)
        except Exception:
            log.exception("unexpected_failure", service=self._service, request_id=request_id, route=route_of(scope))
            if not status:
                await InternalError().response(request_id)(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = route_of(scope)
        self._metrics.observe_request(route, scope["method"], status, seconds)
        log.info(
            "request",
            service=self._service,
            request_id=request_id,
            method=scope["method"],
            route=route,
            status=status,
            duration_ms=round(seconds * 1000, 3),
            **scope.get("log_fields", {}),
        )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        declared = _header(scope, b"content-length")
        if declared and declared.isdigit() and int(declared) > self._max_body_bytes:
            await self._too_large().response(scope["request_id"])(scope, receive, send)
            return
        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise self._too_large()
            return message

        await self._app(scope, receive_limited, send)

    def _too_large(self) -> ContentTooLarge:
        return ContentTooLarge(f"A body has at most {self._max_body_bytes} bytes.")
