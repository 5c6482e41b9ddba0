"""The process `python -m prediction_service monitor`: folds decisions, evaluates outcomes, opens alarms."""

import asyncio
import signal
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import structlog

from decision_log import Database, LogUnavailable, Source, open_database
from decision_log.store.postgres import FAULTS, connected
from prediction_service.clock import Clock, clock_of
from prediction_service.monitor.folding import FoldedElsewhere, Folding, Rebuilt, settled
from prediction_service.monitor.outcomes import Models, Outcomes, both_since, calibration, comparison, figures, spell
from prediction_service.monitor.populations import Population, Populations
from prediction_service.monitor.tables import Progress, Tables
from prediction_service.monitor.watching import Watching, starts_from
from prediction_service.monitoring.comparison import LEVEL
from prediction_service.monitoring.reference import CALIBRATION
from prediction_service.monitoring.state import month_of
from prediction_service.settings import Settings
from prediction_service.versions.artefact import ModelRefused
from prediction_service.versions.folder import version_in_role
from prediction_service.versions.serving import verified

log = structlog.get_logger()

_PATIENCE_SECONDS = 60.0
_SHARE = 0.05
"""Maximum share of time for a backlog of decisions, because requests have priority on a busy machine."""
_LOCK = 0x6465_6369_7368
_CLEAR = (
    "DELETE FROM monitoring_counts WHERE day <> ALL ($1)",
    "UPDATE monitoring_progress SET rebuild_until = greatest(arrival, rebuild_until), arrival = 0, matured_at = NULL",
)


class Monitor:
    """The work of the monitor; each step does everything that is due.

    `clock`: by default that of the settings. `share`: see `Folding`.
    """

    def __init__(self, settings: Settings, database: Database, clock: Clock | None = None, share: float = 1.0) -> None:
        self._share = share
        self._model_dir: Path = settings.model_dir
        self._horizon_days = settings.outcome_horizon_days
        self._outcomes_every = timedelta(seconds=settings.monitor_outcomes_seconds)
        self._database = database
        self._clock = clock or clock_of(settings)
        self._tables, self._outcomes = Tables(database), Outcomes(database)
        self._watching = Watching(database, self._clock)
        self._populations = Populations(settings.model_dir)

    async def step(self, *, outcomes: bool = False) -> int:
        """Do everything that is due. Return the number of counted decisions.

        `outcomes`: evaluate outcomes now, even if that is not due yet.
        """
        self._populations.forget_lacking()
        progress = await self._tables.progress()
        erased = await self._tables.erased_days() if progress.arrival < progress.rebuild_until else frozenset()
        folding = Folding(
            self._database, self._populations, Rebuilt(progress.rebuild_until, erased), self._clock, self._share
        )
        counted = await folding.fold(progress.arrival, await settled(self._database))
        champion = await asyncio.to_thread(version_in_role, self._model_dir, "champion")
        if champion is None:
            return counted
        now = self._clock()
        today = now.astimezone(UTC).date()
        progress = await self._watching.follow(champion, today)
        population = await self._populations.of(champion)
        if population is None:
            log.warning("no_population", version=champion)
            return counted
        await self._watching.evaluate(champion, population.reference, today)
        if outcomes or self._due(progress.matured_at, now):
            await self._look_at_outcomes(champion, population, progress)
        return counted

    def _due(self, looked_at: datetime | None, now: datetime) -> bool:
        """Whether outcomes are due. Also if the last evaluation is in the future, because the clock was set back."""
        return looked_at is None or not timedelta() <= now - looked_at < self._outcomes_every

    async def rebuild(self) -> None:
        """Delete all counts except those of days with erased records. The next step counts all records again."""
        erased = await self._tables.erased_days()

        async def work(connection: asyncpg.Connection) -> None:
            await connection.execute(_CLEAR[0], sorted(erased))
            await connection.execute(_CLEAR[1])

        await self._database.write(work, None)

    async def _look_at_outcomes(self, champion: str, population: Population, progress: Progress) -> None:
        now = self._clock()
        models = await asyncio.to_thread(self._opponents, champion)
        since = both_since(models) if models else None
        found = await self._outcomes.of(champion, spell(now, self._horizon_days), since)
        reference = population.reference
        made = await asyncio.to_thread(figures, found, reference)
        await self._outcomes.store(champion, made, await self._tables.erased_days(), now)
        streams = await self._tables.streams(champion)
        first = starts_from(progress.champion_since, streams.get(CALIBRATION))
        months = [
            (month, sums, kept["decisions"], kept["outcomes"])
            for month, sums, kept in await self._tables.months(champion)
        ]
        evidence = calibration(months, month_of(first), reference.outcome_design_effect)
        await self._watching.calibration(champion, evidence, reference.streams)
        if models is not None:
            compared = await comparison(found, models, LEVEL)
            await self._outcomes.store_comparison(champion, models[1].version, compared)

    def _opponents(self, champion: str) -> Models | None:
        challenger = version_in_role(self._model_dir, "challenger")
        if challenger in (None, champion):
            return None
        try:
            return verified(self._model_dir / champion), verified(self._model_dir / str(challenger))
        except ModelRefused as reason:
            log.warning("not_compared", reason=str(reason))
            return None


def source_of(settings: Settings) -> Source:
    password = settings.monitor_database_password
    return Source(
        settings.monitor_database_url.get_secret_value(),
        password.get_secret_value() if password else None,
        _PATIENCE_SECONDS,
    )


async def run_once(settings: Settings, *, rebuild: bool = False) -> int | None:
    """Run one step. Return the number of counted decisions, or None if another process is the monitor.

    Raises LogUnavailable.
    """
    source = source_of(settings)
    try:
        lock = await connected(source, "prediction_service monitor")
    except FAULTS as fault:
        raise LogUnavailable(type(fault).__name__) from fault
    try:
        if not await lock.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
            return None
        async with open_database(source, 1) as database:
            monitor = Monitor(settings, database)
            if rebuild:
                await monitor.rebuild()
            return await monitor.step(outcomes=True)
    finally:
        lock.terminate()


async def run(settings: Settings) -> None:
    """Run steps until SIGTERM. Waits while the database is unavailable or another process is the monitor."""
    working = asyncio.create_task(_run(settings))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


async def _run(settings: Settings) -> None:
    source = source_of(settings)
    while True:
        try:
            lock = await connected(source, "prediction_service monitor")
            try:
                if await lock.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                    await _work(settings, source, lock)
            finally:
                lock.terminate()
        except (*FAULTS, LogUnavailable, FoldedElsewhere) as fault:
            log.warning("monitor_waits", cause=type(fault).__name__)
        await asyncio.sleep(min(settings.monitor_seconds, 5.0))


async def _work(settings: Settings, source: Source, lock: asyncpg.Connection) -> None:
    """Run steps while the connection that holds the lock is open."""
    async with open_database(source, 1) as database:
        monitor = Monitor(settings, database, share=_SHARE)
        while not lock.is_closed():
            if counted := await monitor.step():
                log.info("folded", decisions=counted)
            await asyncio.sleep(settings.monitor_seconds)
            await lock.fetchval("SELECT 1")
