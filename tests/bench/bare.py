"""The limit: an ASGI application that answers a constant, run by the same server with the same options as the services."""

from typing import Any

import orjson

from credit_default import ROW

_BODY = orjson.dumps(ROW, option=orjson.OPT_UTC_Z)
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send(_START)
        await send({"type": "http.response.body", "body": _BODY})
