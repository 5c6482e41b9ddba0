"""The limit: an ASGI application that answers a constant, run by the same server with the same options as the services."""

from typing import Any

_BODY = (
    b'{"client_id":5036067,"nb_previous_loans":5,"avg_amount_loans_previous":116.07789731273293,"age":43,'
    b'"years_on_the_job":1,"flag_own_car":1,"event_timestamp":"2020-04-11T00:00:00Z"}'
)
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())],
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send(_START)
        await send({"type": "http.response.body", "body": _BODY})
