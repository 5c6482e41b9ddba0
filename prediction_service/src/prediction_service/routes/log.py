"""The public operations of the transparency log (c2sp.org/tlog-tiles): checkpoint, tiles, entry bundles.

The log contains no personal data.
"""

from decision_log import Resource
from prediction_service.recording.log import asked
from prediction_service.state import State
from service_kit.operations import Answer, Operations
from service_kit.problems import RouteNotFound
from service_kit.request.ask import Ask

PREFIX = "/decision_log/"
PROBLEMS = {
    404: "The log has no such resource: `/problems/not-found`, or is off: `/problems/decision-log-off`",
    503: "The decision log is unavailable: `/problems/decision-log-unavailable`. Try again after `Retry-After` seconds.",
}

operations = Operations[State]("decision log")


@operations.declare("GET", "/decision_log/checkpoint", "text/plain", scope=None, problems=PROBLEMS)
async def read_checkpoint(ask: Ask[State]) -> Answer:
    """Read the newest signed checkpoint, with its cosignatures"""
    return await _resource(ask, "checkpoint")


@operations.declare("GET", "/decision_log/tile/{path}", "application/octet-stream", scope=None, problems=PROBLEMS)
async def read_tile(ask: Ask[State], path: str) -> Answer:
    """Read a tile of hashes or a bundle of entries"""
    return await _resource(ask, f"tile/{path}")


async def _resource(ask: Ask[State], path: str) -> Answer:
    found: Resource | None = await asked(ask.state.recording.log.tree.resource(path, ask.deadline), ask)
    if found is None:
        raise RouteNotFound
    return Answer(found.body, headers={"Cache-Control": found.cache_control}, media_type=found.content_type)
