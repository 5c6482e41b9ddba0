"""Liveness and readiness. Liveness checks nothing; readiness checks the service's own resources only."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict

from service_kit.documents.problems import problem_responses
from service_kit.request.ask import Ask
from service_kit.server.shutdown import refuse_if_stopping

Readiness = Callable[[Ask[Any]], Awaitable[Mapping[str, str] | None]]
"""Returns if the service can do its work, with details if there are any.

Otherwise raises the problem that prevents it.
"""


class Live(BaseModel):
    status: Literal["live"] = "live"


class Ready(BaseModel):
    """The answer of readiness. Details of a service stand beside its status."""

    model_config = ConfigDict(extra="allow")

    status: Literal["ready"] = "ready"


NOT_READY = problem_responses({503: "Not now; the problem says why."})


def health_router(check: Readiness) -> APIRouter:
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live", operation_id="live", summary="The process runs")
    async def live() -> Live:
        return Live()

    @router.get("/ready", operation_id="ready", summary="The service can answer", responses=NOT_READY)
    async def ready(request: Request) -> Ready:
        refuse_if_stopping(request)
        return Ready.model_validate(await check(request.scope["ask"]) or {})

    return router
