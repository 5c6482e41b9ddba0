"""Liveness and readiness. Liveness asks nothing; readiness asks about the service's own resources only."""

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from service_kit.routing import problem_responses
from service_kit.shutdown import refuse_if_stopping

Readiness = Callable[[Request], Awaitable[None]]
"""Returns if the service can do its work, raises the problem that keeps it from it otherwise."""


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    status: Literal["ready"] = "ready"


NOT_READY = problem_responses({503: "Not now; the problem says why."})


def health_router(check: Readiness) -> APIRouter:
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", summary="The process runs")
    async def live() -> Live:
        return Live()

    @router.get("/ready", summary="The service can answer", responses=NOT_READY)
    async def ready(request: Request) -> Ready:
        refuse_if_stopping(request)
        await check(request)
        return Ready()

    return router
