"""A proxy before an emulator of DynamoDB that answers with what no emulator does: throttled, partial, expired, lost, hung, garbled."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

REFUSALS = {
    "throttled": (400, "ProvisionedThroughputExceededException"),
    "limited": (400, "RequestLimitExceeded"),
    "expired": (400, "ExpiredTokenException"),
    "refused": (400, "UnrecognizedClientException"),
    "denied": (400, "AccessDeniedException"),
    "missing": (400, "ResourceNotFoundException"),
    "internal": (500, "InternalServerError"),
}
SECRET = "a message that repeats keys and values: 918273645"
_REGION = f"Credential should be scoped to a valid region. {SECRET}"


class DynamoFaults:
    """`fault()` says what becomes of the next request; None: it is passed on.

    Beside REFUSALS: region, html, empty; unprocessed, all_unprocessed; slow, hung, dropped (before it is passed on), lost (after);
    truncated, garbled, checksum.
    """

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self._upstream = upstream
        self._session = session
        self.fault: Callable[[], str | None] = lambda: None
        self.seen = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        fault, body = self.fault(), await request.read()
        self.seen += 1
        if fault in REFUSALS:
            return _refusal(*REFUSALS[fault], SECRET)
        if fault == "region":
            return _refusal(400, "InvalidSignatureException", _REGION)
        if fault in ("html", "empty"):
            return web.Response(status=503 if fault == "html" else 200, body=b"<html>" if fault == "html" else b"{}")
        if fault == "dropped":
            raise asyncio.CancelledError
        if fault in ("slow", "hung"):
            await asyncio.sleep(0.3 if fault == "slow" else 3600)
        rest: Any = None
        if fault in ("unprocessed", "all_unprocessed"):
            body, rest = _in_part(body, 1 if fault == "unprocessed" else 0)
        return await self._passed_on(request, fault, body, rest)

    async def _passed_on(
        self, request: web.Request, fault: str | None, body: bytes, rest: dict[str, Any] | None
    ) -> web.StreamResponse:
        kept = {name: request.headers[name] for name in ("X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date")}
        if rest and not body:
            return _json({"Responses": {table: [] for table in rest}, "UnprocessedKeys": rest})
        async with self._session.post(self._upstream, data=body, headers=kept) as answer:
            status, content = answer.status, await answer.read()
        if rest:
            return _json(json.loads(content) | {"UnprocessedKeys": rest})
        if fault == "lost":
            raise asyncio.CancelledError
        if fault == "truncated":
            content = content[: len(content) // 2]
        if fault == "garbled":
            content = bytes(byte ^ 0x15 for byte in content)
        checksum = zlib.crc32(content) ^ (fault == "checksum")
        return web.Response(status=status, body=content, headers={"X-Amz-Crc32": str(checksum)})


def _refusal(status: int, kind: str, message: str) -> web.Response:
    body = {"__type": f"com.amazonaws.dynamodb.v20120810#{kind}", "message": message}
    return web.Response(status=status, body=json.dumps(body).encode())


def _json(answer: dict[str, Any]) -> web.Response:
    content = json.dumps(answer).encode()
    return web.Response(body=content, headers={"X-Amz-Crc32": str(zlib.crc32(content))})


def _in_part(body: bytes, keep: int) -> tuple[bytes, dict[str, Any] | None]:
    """What is passed on of a BatchGetItem, and what comes back unprocessed. Other requests stay whole."""
    asked = json.loads(body)
    if "RequestItems" not in asked:
        return body, None
    [(table, wanted)] = asked["RequestItems"].items()
    rest = {table: wanted | {"Keys": wanted["Keys"][keep:]}} if wanted["Keys"][keep:] else None
    wanted["Keys"] = wanted["Keys"][:keep]
    return (json.dumps(asked).encode() if keep else b""), rest


@asynccontextmanager
async def dynamodb_faults(upstream: str) -> AsyncIterator[tuple[DynamoFaults, str]]:
    """A proxy, and its address."""
    async with aiohttp.ClientSession() as session:
        proxy = DynamoFaults(upstream, session)
        app = web.Application(client_max_size=32 << 20)
        app.router.add_post("/", proxy.handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            port = runner.addresses[0][1]
            yield proxy, f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()
