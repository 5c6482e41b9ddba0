"""Tracing of the calls to the feature service."""

import httpx

from service_kit.telemetry.tracing import Tracing, tracing


def traced(transport: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
    """Return a transport that traces its calls, or the same transport if tracing is off."""
    traces = tracing()
    return transport if traces is None else TracedTransport(transport, traces)


class TracedTransport(httpx.AsyncBaseTransport):
    """Makes a span for each call and sends its id to the server in the header `traceparent`."""

    def __init__(self, transport: httpx.AsyncBaseTransport, traces: Tracing) -> None:
        self._transport = transport
        self._traces = traces

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        attributes = {
            "http.request.method": request.method,
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.path": url.path,  # contains no client id: ids are in the body
        }
        with self._traces.part(f"{request.method} {url.path}", attributes, outbound=True) as part:
            request.headers.update(part.headers())
            answer = await self._transport.handle_async_request(request)
            part.note("http.response.status_code", answer.status_code)
            return answer

    async def aclose(self) -> None:
        await self._transport.aclose()
