"""The decision log as a service uses it: one object, opened once."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from decision_log.store.erasure import Erasure
from decision_log.store.log_tree import LogTree
from decision_log.store.outcomes import Outcomes
from decision_log.store.postgres import Database, Source, open_database
from decision_log.store.recorder import Recorder
from decision_log.store.records import Records

_ERASURE_SECONDS = 8.0


@dataclass(frozen=True)
class DecisionLog:
    """The open log. `erasure` is None if no eraser role is configured. `database` is for the tables of monitoring."""

    recorder: Recorder
    records: Records
    tree: LogTree
    outcomes: Outcomes
    erasure: Erasure | None
    database: Database


@asynccontextmanager
async def open_decision_log(
    writer: Source, eraser: Source | None = None, *, read_connections: int = 4
) -> AsyncIterator[DecisionLog]:
    """Open the log as the roles decision_writer and decision_eraser. Also succeeds if the database is unavailable."""
    async with AsyncExitStack() as stack:
        reading = await stack.enter_async_context(open_database(writer, read_connections))
        erasure = None
        if eraser is not None:
            patient = eraser._replace(timeout_seconds=max(eraser.timeout_seconds, _ERASURE_SECONDS))
            erasure = Erasure(await stack.enter_async_context(open_database(patient, 1)))
        recorder = Recorder(writer)
        stack.push_async_callback(recorder.close)
        await recorder.warm()
        yield DecisionLog(recorder, Records(reading), LogTree(reading), Outcomes(reading), erasure, reading)
