"""Structured logs: one JSON object a line on standard output, in one format for our events and those of libraries."""

import asyncio
import logging
import socket
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
import structlog

_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
]


def _line(_: Any, __: str, event: structlog.typing.EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


class RequestLog:
    """The log lines of requests. Lines of requests that end in the same event loop iteration are written together."""

    def __init__(self, sink: TextIO) -> None:
        self._sink = sink
        self._lines: list[bytes] = []

    def write(self, event: dict[str, Any]) -> None:
        event["level"] = "info"
        event["timestamp"] = datetime.now(UTC)
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(orjson.dumps(event, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE))

    def _flush(self) -> None:
        lines, self._lines = self._lines, []
        self._sink.write(b"".join(lines).decode())
        self._sink.flush()


_requests: RequestLog | None = None


def request_log() -> RequestLog | None:
    """Where the lines of requests are written; None before `configure_logs`, or if their level is off."""
    return _requests


def configure_logs(level: str = "INFO", sink: TextIO = sys.stdout) -> None:
    """Configure the logs of the process. Tracebacks never contain values of local variables."""
    global _requests  # noqa: PLW0603 -- as much the process's as the logging module's own state
    threshold = logging.getLevelNamesMapping()[level.upper()]
    _requests = RequestLog(sink) if threshold <= logging.INFO else None
    structlog.configure(
        processors=[*_SHARED, _line],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sink),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *_SHARED],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _line],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    # Libraries' lines about single requests contain addresses, and so client ids.
    for name in ("uvicorn.access", "httpx", "httpcore", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def report_unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Exception handler of an event loop: the default, except for failed name lookups that were cancelled.

    uvloop lets a cancelled lookup run on. Its failure is not logged, because the cancelled caller has reported one.
    """
    looked_up = isinstance(context.get("exception"), socket.gaierror)
    if not looked_up or isinstance(context.get("future"), asyncio.Task):
        loop.default_exception_handler(context)
