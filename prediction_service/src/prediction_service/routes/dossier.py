"""The operation that answers with the dossier of a model version."""

import asyncio
from typing import Any

from prediction_service.dossier.contents import Dossier, Sources, dossier_of
from prediction_service.dossier.page import HEADERS, page
from prediction_service.errors import ModelNotFound
from prediction_service.monitor.answers import Watched, alarms_of, first_day
from prediction_service.monitor.tables import Tables
from prediction_service.monitoring.reference import Reference
from prediction_service.recording.log import asked
from prediction_service.routes.decisions import LOG_PROBLEMS, prefers_html
from prediction_service.routes.models import roles_of
from prediction_service.state import State
from prediction_service.versions.catalogue import details, reference_of, summaries
from prediction_service.versions.folder import promotions
from service_kit.operations import Answer, Operations, json_bytes
from service_kit.request.ask import Ask
from shared_schemas import ModelDetails

operations = Operations[State]("models")
_DAYS = 28


@operations.declare(
    "GET",
    "/models/{version}/dossier",
    Dossier,
    scope="metrics:read",
    problems={404: "No such version: `/problems/model-not-found`", 503: LOG_PROBLEMS[503]},
)
async def model_dossier(ask: Ask[State], version: str) -> Answer:
    """Read the dossier of a model version

    It answers the questions of a validator or a supervisor. JSON, or with `Accept: text/html` a page to print.
    `lacking` names each unknown part, with the reason.
    """
    models = ask.state.models
    found = await asyncio.to_thread(details, models.model_dir, version, roles_of(models))
    if found is None:
        raise ModelNotFound
    reference = await asyncio.to_thread(reference_of, models.model_dir, version)
    made = dossier_of(
        Sources(
            details=found,
            before=await asyncio.to_thread(_before, ask.state, found),
            promotions=tuple(await asyncio.to_thread(promotions, models.model_dir)),
            population=_population(reference),
            monitoring=await _monitoring(ask, version, reference),
            log_checkpoint=await _checkpoint(ask),
        ),
        ask.state.clock(),
    )
    if prefers_html(ask.accept):
        return Answer(page(made), headers=HEADERS, media_type="text/html; charset=utf-8")
    return Answer(json_bytes(made.model_dump(mode="json")), headers={"Vary": "Accept"})


def _before(state: State, found: ModelDetails) -> ModelDetails | None:
    """The newest version that is older than this one."""
    created = found.created_at
    earlier = [
        one
        for one in summaries(state.models.model_dir, {})
        if created and one.created_at and one.created_at < created and one.version != found.version
    ]
    return details(state.models.model_dir, earlier[0].version, {}) if earlier else None


def _population(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {
        "clients": reference.score.clients,
        "probabilities": reference.probabilities,
        "streams": reference.streams,
        "outcome_design_effect": reference.outcome_design_effect,
        **{f"design_effect {one.name}": one.design_effect for one in reference.quantities},
    }


async def _monitoring(ask: Ask[State], version: str, reference: Reference | None) -> dict[str, Any] | None:
    if not ask.state.recording.on:
        return None
    tables = Tables(ask.state.recording.log.database)
    watched = await asked(Watched(tables, version, reference).read(ask.deadline), ask)
    today = ask.state.clock().date()
    stability = await asked(watched.stability(first_day(today, _DAYS), ask.deadline), ask)
    if stability.lacking in ("population", "monitor"):
        return None
    fairness = await asked(watched.fairness(first_day(today, 365), ask.deadline), ask)
    horizon = ask.state.settings.outcome_horizon_days
    performance = await asked(watched.performance(horizon, by_month=False, deadline=ask.deadline), ask)
    alarms = await asked(alarms_of(tables, None, ask.deadline), ask)
    return {
        "stability": [one.model_dump(mode="json", exclude={"bins"}) for one in stability.quantities],
        "performance": performance.model_dump(mode="json", exclude={"periods"}),
        "fairness": [one.model_dump(mode="json") for one in fairness.groups],
        "alarms": [one.model_dump(mode="json") for one in alarms.alarms if one.model_version == version],
    }


async def _checkpoint(ask: Ask[State]) -> str | None:
    if not ask.state.recording.on:
        return None
    return await asked(ask.state.recording.log.tree.checkpoint(ask.deadline), ask)
