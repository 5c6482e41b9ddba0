"""The operations of monitoring: stability, performance and fairness of the model in use, and alarms."""

import asyncio
from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from prediction_service.errors import AlarmNotAdoptable, AlarmNotFound, AlarmNotOpen, ModelNotFound
from prediction_service.monitor.acknowledging import NoSuchAlarm, NotAdoptable, NotOpen, acknowledge
from prediction_service.monitor.answers import (
    Action,
    Alarms,
    AlarmState,
    Fairness,
    Performance,
    Stability,
    Watched,
    alarms_of,
    first_day,
)
from prediction_service.monitor.tables import Tables
from prediction_service.recording.log import asked
from prediction_service.routes.decisions import LOG_PROBLEMS
from prediction_service.state import State
from prediction_service.versions.catalogue import details, reference_of
from service_kit.operations import Operations, json_bytes
from service_kit.problems import InvalidRequest
from service_kit.request.ask import Ask
from shared_schemas import InvalidPart

operations = Operations[State]("monitoring")


class OfVersion(BaseModel):
    """A model version. If it does not decide, the evidence is that of its last time as champion, if any."""

    model_config = ConfigDict(protected_namespaces=())

    model_version: str | None = Field(default=None, description="Absent: the version that decides.")


class Days(OfVersion):
    """The period that is shown. The evidence is always that of all windows."""

    days: int = Field(default=28, ge=1, le=365, description="Days to show, including today.")


class ManyDays(OfVersion):
    days: int = Field(default=365, ge=1, le=365, description="Days to show, including today.")


class Breakdown(OfVersion):
    by: Literal["month"] | None = Field(default=None, description="`month`: also show each month of decision.")


class WhichAlarms(BaseModel):
    state: AlarmState | None = Field(default=None, description="Absent: alarms of every state.")


class Acknowledgement(BaseModel):
    """How to close an alarm. `adopt_reference`: the window since the change becomes the new reference."""

    action: Action


def _today(state: State) -> date:
    return state.clock().date()


def _tables(state: State) -> Tables:
    return Tables(state.recording.log.database)


async def _watched(ask: Ask[State], asked_for: str | None) -> Watched:
    models = ask.state.models
    champion = models.champion.version
    version = champion if asked_for is None else asked_for
    if version != champion and await asyncio.to_thread(details, models.model_dir, version, {}) is None:
        raise ModelNotFound
    reference = await asyncio.to_thread(reference_of, models.model_dir, version)
    watched = Watched(_tables(ask.state), version, reference, decides=version == champion)
    return await asked(watched.read(ask.deadline), ask)


_PROBLEMS = {
    **LOG_PROBLEMS,
    404: "No such version: `/problems/model-not-found`; or no decision log: `/problems/decision-log-off`",
}


@operations.declare("GET", "/monitoring/stability", Stability, scope="metrics:read", problems=_PROBLEMS)
async def stability(ask: Ask[State], query: Days) -> bytes:
    """Compare the distributions of score and features with training

    Each `psi` comes with the value that chance alone reaches at this number of clients. The evidence stays valid
    however often it is read: all streams together raise at most `alpha` false alarms a year.
    """
    watched = await _watched(ask, query.model_version)
    found = await asked(watched.stability(first_day(_today(ask.state), query.days), ask.deadline), ask)
    return json_bytes(found.model_dump())


@operations.declare("GET", "/monitoring/performance", Performance, scope="metrics:read", problems=_PROBLEMS)
async def performance(ask: Ask[State], query: Breakdown) -> bytes:
    """Compare decisions with their outcomes

    Figures without enough outcomes are null, and `too_few` names them.
    """
    watched = await _watched(ask, query.model_version)
    horizon = ask.state.settings.outcome_horizon_days
    found = await asked(watched.performance(horizon, by_month=query.by == "month", deadline=ask.deadline), ask)
    return json_bytes(found.model_dump())


@operations.declare("GET", "/monitoring/fairness", Fairness, scope="metrics:read", problems=_PROBLEMS)
async def fairness(ask: Ask[State], query: ManyDays) -> bytes:
    """Read the adverse impact ratio and the standardized mean difference by group"""
    watched = await _watched(ask, query.model_version)
    found = await asked(watched.fairness(first_day(_today(ask.state), query.days), ask.deadline), ask)
    return json_bytes(found.model_dump())


@operations.declare("GET", "/monitoring/alarms", Alarms, scope="metrics:read", problems=LOG_PROBLEMS)
async def alarms(ask: Ask[State], query: WhichAlarms) -> bytes:
    """List the alarms, newest first"""
    found = await asked(alarms_of(_tables(ask.state), query.state, ask.deadline), ask)
    return json_bytes(found.model_dump())


@operations.declare(
    "POST",
    "/monitoring/alarms/{alarm_id}/acknowledge",
    None,
    scope="admin",
    status=204,
    problems=LOG_PROBLEMS
    | {
        404: "No such alarm: `/problems/alarm-not-found`, or no decision log: `/problems/decision-log-off`",
        409: "The alarm is not open: `/problems/alarm-not-open`; or its window cannot be adopted: "
        "`/problems/alarm-not-adoptable`",
    },
)
async def acknowledge_alarm(ask: Ask[State], alarm_id: str, body: Acknowledgement) -> bytes:
    """Close an alarm and restart the windows of its stream"""
    models, database = ask.state.models, ask.state.recording.log.database
    reference = await asyncio.to_thread(reference_of, models.model_dir, models.champion.version)
    said = body.action, ask.log_fields.get("api_key")
    try:
        await asked(acknowledge(database, _id(alarm_id), said, reference, _today(ask.state)), ask)
    except NoSuchAlarm as error:
        raise AlarmNotFound from error
    except NotOpen as error:
        raise AlarmNotOpen from error
    except NotAdoptable as error:
        raise AlarmNotAdoptable(str(error)) from error
    return b""


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        detail = "An alarm id is a UUID: 32 hexadecimal digits in five groups"
        raise InvalidRequest(errors=[InvalidPart(pointer="path/alarm_id", detail=detail)]) from error
