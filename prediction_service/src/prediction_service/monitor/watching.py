"""Evaluates the streams of the champion: stores evidence, opens alarms, and supersedes alarms of other versions."""

import asyncio
from collections.abc import Sequence
from datetime import date

import asyncpg

from decision_log import Database, uuid7
from prediction_service.clock import Clock, machine_clock
from prediction_service.monitor.tables import Progress, Stream, Tables
from prediction_service.monitoring.evidence import (
    Evidence,
    StabilityTest,
    daily_threshold,
    monthly_threshold,
)
from prediction_service.monitoring.fairness import GROUP_BINS, impact_alarm, strongest_impact
from prediction_service.monitoring.reference import CALIBRATION, Quantity, Reference
from prediction_service.monitoring.stability import Alarm, stability_alarm
from prediction_service.monitoring.windows import Tally, Windows, start_days

_SUPERSEDE = """
    UPDATE monitoring_alarms SET state = 'superseded', closed_at = $2 WHERE state = 'open' AND model_version <> $1
"""
_PROMOTE = "UPDATE monitoring_progress SET champion = $1, champion_since = $2"
_EVIDENCE = """
    INSERT INTO monitoring_streams (model_version, stream, log_e, since, log_threshold) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (model_version, stream) DO UPDATE
       SET log_e = excluded.log_e, since = excluded.since, log_threshold = excluded.log_threshold
"""
_ACKNOWLEDGED_SINCE = """
    SELECT not_before > $3 FROM monitoring_streams WHERE model_version = $1 AND stream = $2 FOR UPDATE
"""
_NOW = "UPDATE monitoring_alarms SET log_e_now = $3 WHERE model_version = $1 AND stream = $2 AND state = 'open'"
_OPEN = """
    INSERT INTO monitoring_alarms (id, model_version, stream, since, log_e, log_e_now, log_threshold, size, severity, largest,
                                   opened_at)
    VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10)
        ON CONFLICT (model_version, stream) WHERE state = 'open' DO NOTHING
"""


def reference_counts(quantity: Quantity, stream: Stream | None) -> Quantity:
    """The quantity with its adopted reference, or unchanged if none was adopted."""
    if stream is None or stream.adopted is None or len(stream.adopted) != len(quantity.counts):
        return quantity
    return quantity.adopted(stream.adopted)


def starts_from(champion_since: date | None, stream: Stream | None) -> date:
    """The first day on which a window of the stream may start."""
    return max(champion_since or date.min, (stream.not_before if stream else None) or date.min)


class Watching:
    def __init__(self, database: Database, clock: Clock = machine_clock) -> None:
        self._database = database
        self._clock = clock
        self._tables = Tables(database)

    async def follow(self, champion: str, today: date) -> Progress:
        """Process a promotion: supersede the alarms of other versions, and restart windows with the new version.

        If the stored promotion is in the future, because the clock was set back, it is processed again today.
        """
        progress = await self._tables.progress()
        if progress.champion == champion and (progress.champion_since or today) <= today:
            return progress
        since = None if progress.champion is None else today

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(_SUPERSEDE, champion, self._clock())
            await connection.execute(_PROMOTE, champion, since)

        await self._database.write(work, None)
        return progress._replace(champion=champion, champion_since=since)

    async def evaluate(self, champion: str, reference: Reference, today: date) -> None:
        """Update evidence and alarms of the streams of decisions: score, features and groups."""
        progress, streams = await self._tables.progress(), await self._tables.streams(champion)
        for quantity in reference.quantities:
            kept = streams.get(quantity.name)
            counted = reference_counts(quantity, kept)
            first, last = start_days(today, starts_from(progress.champion_since, kept))
            tallies = await self._tables.tallies(champion, quantity.name, first) if first <= last else ()
            threshold = daily_threshold(reference.streams)
            evidence, alarm = await asyncio.to_thread(_stability, counted, tallies, (first, last), threshold)
            await self._said(champion, quantity.name, (evidence, threshold), alarm)
        for group in reference.groups:
            kept = streams.get(group.name)
            first, last = start_days(today, starts_from(progress.champion_since, kept))
            tallies = await self._tables.tallies(champion, group.name, first) if first <= last else ()
            threshold = daily_threshold(reference.streams)
            windows = Windows(GROUP_BINS, tallies).by_start(first, last)
            effect = reference.score.design_effect
            evidence = await asyncio.to_thread(strongest_impact, windows, effect) if tallies else Evidence(0.0, None)
            await self._said(champion, group.name, (evidence, threshold), impact_alarm(group.name, evidence, threshold))

    async def calibration(self, champion: str, evidence: Evidence, streams: int) -> None:
        """Update evidence and alarm of calibration. `evidence` has no start if too many outcomes are missing."""
        threshold = monthly_threshold(streams)
        alarm = None
        if evidence.since is not None and evidence.log_e >= threshold:
            alarm = Alarm(
                stream=CALIBRATION,
                since=evidence.since,
                log_e=evidence.log_e,
                log_threshold=threshold,
                size=None,
                severity="small",
                largest=None,
            )
        await self._said(champion, CALIBRATION, (evidence, threshold), alarm)

    async def _said(self, champion: str, stream: str, found: tuple[Evidence, float], alarm: Alarm | None) -> None:
        evidence, threshold = found
        log_e = evidence.log_e if evidence.since else None

        async def work(connection: asyncpg.Connection) -> None:
            if await connection.fetchval(_ACKNOWLEDGED_SINCE, champion, stream, evidence.since):
                return  # acknowledged during the computation: do not open the closed alarm again
            await connection.execute(_EVIDENCE, champion, stream, log_e, evidence.since, threshold)
            if log_e is not None:
                await connection.execute(_NOW, champion, stream, log_e)
            if alarm is not None:
                largest = alarm.largest.model_dump_json() if alarm.largest else None
                await connection.execute(
                    _OPEN, uuid7(), champion, stream, alarm.since, alarm.log_e, alarm.log_threshold, alarm.size,
                    alarm.severity, largest, self._clock(),
                )  # fmt: skip

        await self._database.write(work, None)


def _stability(
    quantity: Quantity, tallies: Sequence[Tally], starts: tuple[date, date], threshold: float
) -> tuple[Evidence, Alarm | None]:
    first, last = starts
    if not tallies:
        return Evidence(0.0, None), None
    windows = Windows(len(quantity.counts), tallies)
    evidence = StabilityTest(quantity.counts, quantity.design_effect).strongest(windows.by_start(first, last))
    if evidence.since is None:
        return evidence, None
    [window] = windows.by_start(evidence.since, evidence.since)
    return evidence, stability_alarm(quantity, evidence, window.counts, threshold) if any(window.counts) else None
