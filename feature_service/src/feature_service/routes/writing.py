"""The operations that change what is known about a client."""

from typing import Any

from pydantic import TypeAdapter

from feature_service.errors import NeedsSystemOfRecord, ReadOnly
from feature_service.routes.reading import NOT_FOUND
from feature_service.state import State
from feature_service.store.online import OnlineWrites, Said
from service_kit.operations import Operations, json_bytes
from service_kit.problems import ClientNotFound, StoreUnavailable
from service_kit.request.ask import Ask
from shared_schemas import FeatureWrite, FeatureWritten

_AWAY = "The store is unavailable: `/problems/store-unavailable`"
_AGAIN = "Try again after `Retry-After` seconds."

PROBLEMS = {
    403: "This service takes no writes: `/problems/read-only`; or the key lacks the scope: `/problems/forbidden`",
    422: "The request is not valid: `/problems/invalid-request`; or the event is from before the history is kept: "
    "`/problems/before-retention`; or the service is not connected to the system of record: "
    "`/problems/needs-system-of-record`",
    503: f"{_AWAY}. {_AGAIN}",
    504: "Not done before the deadline of the request: `/problems/deadline-exceeded`. Send it again.",
}
ERASURE_PROBLEMS = PROBLEMS | {503: f"{_AWAY}; or a load is running: `/problems/load-running`. {_AGAIN}"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/FeatureWrite"}}},
    }
}

operations = Operations[State]("features")


def writer_of(state: State) -> OnlineWrites:
    if state.writer is None:
        raise ReadOnly if state.settings.has_record else NeedsSystemOfRecord
    return state.writer


def _writes(state: State) -> TypeAdapter[FeatureWrite]:
    if state.store.feature_set.served is None:
        raise StoreUnavailable
    return state.store.feature_set.served.writes


@operations.declare(
    "PUT",
    "/online_feature_store/client_id={client_id}",
    FeatureWritten,
    scope="features:write",
    problems=PROBLEMS,
    needs=writer_of,
    body_adapter=_writes,
    document=lambda _: _BODY,
)
async def write_vector(ask: Ask[State], client_id: int, body: dict[str, Any]) -> bytes:
    """Write what is new about one client

    The value of a feature is that of its latest event; of two events at the same instant, the write that was received
    later counts. A write changes only the features that it names. A late write is stored too: it counts for questions
    as of earlier instants. Repeating a write changes nothing.
    """
    served = await ask.state.store.feature_set.current(ask)
    said = Said(body["event_timestamp"], served.said(body))
    stale = served.names(await writer_of(ask.state).write(client_id, said, ask))
    if len(stale) == len(said.values):
        written = FeatureWritten(applied=False, reason="stale")
    else:
        written = FeatureWritten(applied=True, stale=stale or None)
    return json_bytes(written.model_dump(exclude_none=True))


@operations.declare(
    "DELETE",
    "/online_feature_store/client_id={client_id}",
    scope="features:write",
    problems=ERASURE_PROBLEMS | NOT_FOUND,
    status=204,
    needs=writer_of,
)
async def erase_client(ask: Ask[State], client_id: int) -> bytes:
    """Erase one client

    Deletes the vector, the history, and the client's lines in quarantine.
    """
    served = await ask.state.store.feature_set.current(ask)
    if not await writer_of(ask.state).erase(client_id, served.id_column, ask):
        raise ClientNotFound
    return b""
