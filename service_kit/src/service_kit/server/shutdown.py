"""The shutdown of a service, in order: readiness, the listener, running requests, the resources of the service."""

import asyncio
import signal
from time import monotonic
from types import FrameType

import structlog
import uvicorn
from starlette.requests import Request

from service_kit.problems import ShuttingDown

log = structlog.get_logger()

_STOPPING = "stopping"
_TICK_SECONDS = 0.05


def refuse_if_stopping(request: Request) -> None:
    """Raises ShuttingDown after the process has received a signal to stop."""
    if getattr(request.state, _STOPPING, False):
        raise ShuttingDown


class DrainingServer(uvicorn.Server):
    """A server that goes on answering for `drain_seconds` after a signal to stop, and then exits with 0.

    Meanwhile readiness says that the service is shutting down, and every answer closes its connection. A second signal
    ends the drain, and SIGINT also the wait for running requests.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- as in uvicorn
        # uvicorn would raise the signal again after the shutdown, and the process would not exit with 0.
        self._hurried = self.should_exit
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        await self._drain()
        return True

    async def _drain(self) -> None:
        self.lifespan.state[_STOPPING] = True
        log.info("draining", seconds=self._drain_seconds)
        self.server_state.default_headers.append((b"connection", b"close"))
        for connection in self.server_state.connections:
            cycle = getattr(connection, "cycle", None)
            if cycle is not None and not cycle.response_complete:
                cycle.keep_alive = False
        deadline = monotonic() + self._drain_seconds
        while monotonic() < deadline and not self._hurried:  # noqa: ASYNC110 -- the signal handler ends it
            await asyncio.sleep(_TICK_SECONDS)
