"""Entries for tests, and a log in a database: recorded, sequenced, audited."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import psycopg
from pydantic import SecretStr

from decision_log import DecisionLog, Entry, Listed, Source, open_decision_log, sealed, uuid7
from decision_log.commands.audit import Audit
from decision_log.commands.report import Report
from decision_log.database import connect
from decision_log.sequencer.folder import Folder
from decision_log.sequencer.sequencer import Sequencer
from decision_log.sequencer.tree_store import TreeStore
from decision_log.settings import Settings
from decision_log.tree.notes import Verifier
from local_stack.postgres import Server

T = TypeVar("T")
ORIGIN = "localhost/decisions"


def entry(client_id: int | None = 5, **changes: object) -> Entry:
    """A decision of today; a review or what else `changes` say."""
    values: dict[str, object] = {
        "decision_id": uuid7(),
        "kind": "decision",
        "decided_at": datetime.now(UTC),
        "client_id": client_id,
        "decision": "approve",
        "score": 12,
        "model_version": "v1",
        "origin": "request",
    }
    listed = Listed(**(values | changes))  # type: ignore[arg-type]
    return sealed(listed, listed._asdict())


def review(of: Entry) -> Entry:
    return entry(
        None,
        kind="review",
        reviews=of.listed.decision_id,
        score=None,
        model_version=None,
        origin=None,
        decision="decline",
    )


def old(days: int = 1_000, **changes: object) -> Entry:
    return entry(**({"decided_at": datetime.now(UTC) - timedelta(days=days)} | changes))  # type: ignore[arg-type]


class Log:
    """A log in a fresh database, and the folder of its key."""

    def __init__(self, server: Server, database: str, folder: Path, vkey: Verifier | None = None) -> None:
        self.server, self.database = server, database
        self.folder = Folder(folder)
        self.vkey = vkey or self.folder.make_key(ORIGIN)
        self.settings = Settings(
            database_url=SecretStr(server.url(database)), dir=folder, origin=ORIGIN, wait_seconds=0
        )

    def url(self, role: str = "postgres") -> str:
        return self.server.url(self.database, user=role)

    def execute(self, sql: str, *arguments: object) -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(), autocommit=True) as connection:
            cursor = connection.execute(sql, arguments)
            return cursor.fetchall() if cursor.description else []

    def asked(self, work: Callable[[DecisionLog], Awaitable[T]], **options: object) -> T:
        async def run() -> T:
            writer, eraser = (Source(self.url(role), None, 5.0) for role in ("decision_writer", "decision_eraser"))
            async with open_decision_log(writer, eraser) as log:
                return await work(log)

        return asyncio.run(run())

    def record(self, *entries: Entry) -> None:
        self.asked(lambda log: log.recorder.record(entries))

    def connection(self) -> psycopg.Connection:
        settings = self.settings.model_copy(update={"database_url": SecretStr(self.url("decision_sequencer"))})
        return connect(settings, autocommit=True)

    def sequenced(self, *entries: Entry) -> int:
        """Record these and run one step of a sequencer that has just started."""
        self.record(*entries)
        with self.connection() as connection:
            return self.sequencer(connection).step()

    def sequencer(self, connection: psycopg.Connection) -> Sequencer:
        return Sequencer(TreeStore(connection), self.folder, self.folder.signer(ORIGIN))

    def audit(self, *kept: str, witnesses: Sequence[Verifier] = ()) -> Report:
        with connect(self.settings) as connection:
            return Audit(connection, self.vkey, lambda _: None).run(kept, witnesses)

    def proof(self, of: Entry) -> object:
        return self.asked(lambda log: log.tree.proof(of.listed.decision_id))
