"""The recorder commits entries before the answer is sent. Concurrent callers share a transaction (group commit).

While one group is written, the next one gathers, and is written when the first is committed. So more callers make
larger groups, not more flushes to disk. The second connection takes a group that is full or has gathered for 10 ms. If
no group is being written, entries do not wait.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from math import inf
from typing import NamedTuple
from uuid import UUID

import asyncpg

from decision_log.entries import Entry
from decision_log.errors import AlreadyRecorded, DecisionLogError, EntryRefused, LogUnavailable
from decision_log.store.postgres import FAULTS, LOST, Source, connected

CONNECTIONS = 2
_GROUP = 1_000
"""Entries after which a group takes no further caller. The entries of one call stay in one group."""
_PATIENCE_SECONDS = 0.01
"""Maximum time that a group gathers while another one is written, so that one entry does not wait for a thousand."""
_MOST_WAITING = 20_000
_PAUSES = (0.0, 0.05, 0.2)
"""Seconds before each retry of a group. Several, because a server that restarts may end the new connection, too."""
_IN_DOUBT = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)

_TYPES = ["uuid", "text", "timestamptz", "bigint", "text", "integer", "text", "text", "uuid", "bytea", "bytea", "bytea"]
_COLUMNS = "decision_id, kind, decided_at, client_id, decision, score, model_version, origin, reviews, record, salt, commitment"
_ARRAYS = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(_TYPES, 1))
_GIVEN = f"SELECT {_COLUMNS} FROM unnest({_ARRAYS}) AS given ({_COLUMNS})"  # noqa: S608 -- names of our own

# Store the records of a group, and queue their commitments for the sequencer. Stores nothing if one of the ids exists.
_RECORD = f"""
    WITH written AS (INSERT INTO records ({_COLUMNS}) {_GIVEN} RETURNING commitment)
    INSERT INTO queue (commitment) SELECT commitment FROM written
"""  # noqa: S608

# The same for one call whose entries may be recorded already: those are left unchanged.
_RECORD_MISSING = f"""
    WITH written AS (INSERT INTO records ({_COLUMNS}) {_GIVEN} ON CONFLICT (decision_id) DO NOTHING RETURNING commitment)
    INSERT INTO queue (commitment) SELECT commitment FROM written
"""  # noqa: S608

_OTHERS = """
    SELECT decision_id FROM unnest($1::uuid[], $2::bytea[]) AS given (decision_id, commitment)
      JOIN records USING (decision_id) WHERE records.commitment <> given.commitment
"""


class _Call(NamedTuple):
    entries: Sequence[Entry]
    done: asyncio.Future[None]
    deadline: float


class Recorder:
    """Writes entries. `retries` counts attempts to write a group again after its connection had ended."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._waiting: list[_Call] = []
        self._waiting_entries = 0
        self._scheduled: asyncio.Handle | None = None
        self._idle: list[asyncpg.Connection | None] = [None] * CONNECTIONS
        self._in_flight: dict[asyncio.Task[None], list[_Call]] = {}
        self._sweeping: asyncio.TimerHandle | None = None
        self._next_sweep = inf
        self._loop: asyncio.AbstractEventLoop | None = None
        self.retries = 0

    async def record(self, entries: Sequence[Entry], deadline: float | None = None) -> None:
        """Return when all of `entries` are committed.

        Raises LogUnavailable at `deadline` (a time of the running event loop), and if the database is unavailable, full
        or slower than the source's timeout. The entries may be committed nevertheless, and it is safe to record the
        same entries again. Raises AlreadyRecorded and EntryRefused: then none of the entries is recorded.
        """
        if not entries:
            return
        loop = self._loop or self._first_loop()
        latest = loop.time() + self._source.timeout_seconds
        call = _Call(entries, loop.create_future(), latest if deadline is None else min(deadline, latest))
        if self._waiting_entries + len(entries) > _MOST_WAITING:
            raise LogUnavailable("Overloaded")
        self._waiting.append(call)
        self._waiting_entries += len(entries)
        if self._scheduled is None:
            if not self._in_flight or self._waiting_entries >= _GROUP:
                # Calls of the same event loop iteration share the group.
                self._scheduled = loop.call_soon(self._depart)
            else:
                self._scheduled = loop.call_later(_PATIENCE_SECONDS, self._depart)
        if call.deadline < self._next_sweep:
            self._sweep_at(call.deadline)
        await call.done

    def _first_loop(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.get_running_loop()  # kept, because each call of it costs a system call
        return self._loop

    def _sweep_at(self, when: float) -> None:
        # One timer serves all calls, because most have the same timeout.
        if self._sweeping is not None:
            self._sweeping.cancel()
        self._next_sweep = when
        self._sweeping = (self._loop or self._first_loop()).call_at(when, self._sweep)

    def _sweep(self) -> None:
        """Fail the calls whose deadline has passed."""
        self._sweeping, self._next_sweep = None, inf
        now = (self._loop or self._first_loop()).time()
        open_calls = [
            call for calls in (self._waiting, *self._in_flight.values()) for call in calls if not call.done.done()
        ]
        for call in open_calls:
            if call.deadline <= now:
                call.done.set_exception(LogUnavailable("Deadline"))
        later = min((call.deadline for call in open_calls if call.deadline > now), default=inf)
        if later < inf:
            self._sweep_at(later)

    def _depart(self) -> None:
        if self._scheduled is not None:
            self._scheduled.cancel()
            self._scheduled = None
        while self._idle and (group := self._next_group()):
            task = (self._loop or self._first_loop()).create_task(self._serve(group, self._idle.pop(0)))
            self._in_flight[task] = group
            task.add_done_callback(self._returned)
            if self._waiting_entries < _GROUP:
                break

    def _returned(self, task: asyncio.Task[None]) -> None:
        del self._in_flight[task]
        if self._waiting:
            self._depart()

    def _next_group(self) -> list[_Call]:
        """Take the calls that have waited longest. Calls that have failed already are dropped."""
        group: list[_Call] = []
        count = taken = 0
        for call in self._waiting:
            size = len(call.entries)
            if group and count + size > _GROUP:
                break
            taken += 1
            self._waiting_entries -= size
            if not call.done.done():
                group.append(call)
                count += size
        del self._waiting[:taken]
        return group

    async def _serve(self, group: list[_Call], connection: asyncpg.Connection | None) -> None:
        link = _Link(self._source, connection)
        try:
            async with asyncio.timeout_at(max(call.deadline for call in group)):
                await self._write_again(link, group)
        except FAULTS as fault:
            link.drop()
            _fail(group, LogUnavailable(type(fault).__name__))
        except BaseException as error:
            link.drop()
            _fail(group, LogUnavailable(type(error).__name__))
            raise
        finally:
            self._idle.append(link.connection)

    async def _write_again(self, link: "_Link", group: list[_Call]) -> None:
        """Write a group. If the connection ends, retry immediately, then twice after a pause."""
        for pause in _PAUSES:
            try:
                await self._write(link, group)
            except LOST:
                self.retries += 1
                link.drop()
                await asyncio.sleep(pause)
            else:
                return
        await self._write(link, group)

    async def _write(self, link: "_Link", group: list[_Call]) -> None:
        connection = await link.ready()
        try:
            await connection.execute(_RECORD, *_arrays([entry for call in group for entry in call.entries]))
        except _IN_DOUBT:
            # Nothing of the group is stored. Write each call alone, so that a wrong entry fails only its own call.
            for call in group:
                await self._write_alone(connection, call)
        else:
            for call in group:
                _succeed(call.done)

    async def _write_alone(self, connection: asyncpg.Connection, call: _Call) -> None:
        try:
            async with connection.transaction():
                await connection.execute(_RECORD_MISSING, *_arrays(call.entries))
                ids = [entry.listed.decision_id for entry in call.entries]
                others = await connection.fetch(_OTHERS, ids, [entry.commitment for entry in call.entries])
                _refuse([row["decision_id"] for row in others])
        except AlreadyRecorded as error:
            _fail([call], error)
        except _IN_DOUBT:
            _fail([call], EntryRefused())
        else:
            _succeed(call.done)

    async def warm(self) -> None:
        """Open the connections. If PostgreSQL is unavailable, the first entries open them later."""
        idle, self._idle = self._idle, []
        for connection in idle:
            link = _Link(self._source, connection)
            with suppress(*FAULTS):
                await link.ready()
            self._idle.append(link.connection)

    async def close(self) -> None:
        """Wait for the groups in flight, then close the connections."""
        if self._sweeping is not None:
            self._sweeping.cancel()
        if self._in_flight:
            await asyncio.wait(self._in_flight)
        for connection in filter(None, self._idle):
            try:
                await connection.close(timeout=self._source.timeout_seconds)
            except FAULTS:
                connection.terminate()
        self._idle = []


class _Link:
    """One of the recorder's connections, opened on demand."""

    def __init__(self, source: Source, connection: asyncpg.Connection | None) -> None:
        self._source = source
        self.connection = connection

    async def ready(self) -> asyncpg.Connection:
        if self.connection is None or self.connection.is_closed():
            self.connection = None
            self.connection = await connected(self._source, "decision_log recorder")
        return self.connection

    def drop(self) -> None:
        if self.connection is not None:
            self.connection.terminate()
            self.connection = None


def _refuse(others: Sequence[UUID]) -> None:
    if others:
        raise AlreadyRecorded(list(others))


def _arrays(entries: Sequence[Entry]) -> list[Sequence[object]]:
    listed = zip(*(entry.listed for entry in entries), strict=True)
    sealed = zip(*((entry.record, entry.salt, entry.commitment) for entry in entries), strict=True)
    return [*listed, *sealed]


def _succeed(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


def _fail(group: Sequence[_Call], error: DecisionLogError) -> None:
    for call in group:
        if not call.done.done():
            call.done.set_exception(error)
