"""The routes that change what is known about a client."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from feature_service.errors import ReadOnly
from feature_service.writer import FeatureWriter
from service_kit.problems import ClientNotFound
from service_kit.routing import NOT_FOUND, ClientIdInPath, problem_responses
from shared_schemas import FeatureWrite, FeatureWritten

_AWAY = "PostgreSQL is away: `/problems/store-unavailable`"
_AGAIN = "Try again after `Retry-After` seconds."

PROBLEMS = problem_responses(
    {
        403: "This service takes no writes: `/problems/read-only`; or the key is not for this: `/problems/forbidden`",
        422: "The request is not valid: `/problems/invalid-request`",
        503: f"{_AWAY}. {_AGAIN}",
    }
)
ERASURE_PROBLEMS = PROBLEMS | problem_responses(
    {503: f"{_AWAY}; or a load is running: `/problems/load-running`. {_AGAIN}"}
)

router = APIRouter(tags=["features"])


async def _writer(request: Request) -> FeatureWriter:
    writer: FeatureWriter | None = request.state.writer
    if writer is None:
        raise ReadOnly
    return writer


Writer = Annotated[FeatureWriter, Depends(_writer)]


@router.put(
    "/online_feature_store/client_id={client_id:path}",
    summary="Write what is new about one client",
    response_model_exclude_none=True,
    responses=PROBLEMS,
)
async def write_vector(client_id: ClientIdInPath, writer: Writer, vector: FeatureWrite) -> FeatureWritten:
    """Merged into what is stored, unless that is of a later instant; of equal instants the later write counts.

    The whole vector goes into the history, too. The same write twice leaves the same behind.
    """
    applied = await writer.write(client_id, vector)
    return FeatureWritten(applied=applied, reason=None if applied else "stale")


@router.delete(
    "/online_feature_store/client_id={client_id:path}",
    summary="Erase one client",
    status_code=204,
    response_class=Response,
    responses=ERASURE_PROBLEMS | NOT_FOUND,
)
async def erase_client(client_id: ClientIdInPath, writer: Writer) -> None:
    """Every trace: the vector, the history, and refused lines of loads."""
    if not await writer.erase(client_id):
        raise ClientNotFound
