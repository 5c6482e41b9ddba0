"""Opens the connections to replicas, and the one for the heartbeat."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

from feature_service.settings import Settings
from feature_service.store.postgresql.faults import revealed
from feature_service.store.postgresql.reader import open_reader
from feature_service.store.replicas.heartbeat import Heartbeat
from feature_service.store.replicas.replica import Replica, each_host

PRIMARY = "primary"
# The role is read-only by default. A heartbeat is sent to replicas at once and waits for none of them.
_BEATING = {"default_transaction_read_only": "off", "synchronous_commit": "local"}


class Replication(NamedTuple):
    heartbeat: Heartbeat
    replicas: list[Replica]


@asynccontextmanager
async def open_replication(settings: Settings, *, followed: bool) -> AsyncIterator[Replication]:
    """The replicas in the settings. `followed`: heartbeats are written and the lag is measured until the context ends.

    A replica has half of the timeout for an answer. The other half is for the primary, if the replica does not answer.
    """
    bound = settings.max_store_lag_seconds
    seconds = min(bound, settings.database_timeout_seconds / 2)
    async with AsyncExitStack() as stack:
        beating = await stack.enter_async_context(
            open_reader(settings, connections=1, target_session_attrs=PRIMARY, server_settings=_BEATING)
        )
        heartbeat = Heartbeat(beating, bound)
        replicas = []
        for number, url in enumerate(each_host(revealed(settings.replica_url) or ""), start=1):
            reader = await stack.enter_async_context(open_reader(settings, url=url, seconds=seconds))
            replicas.append(Replica(reader, heartbeat, number))
        if followed:
            tasks = [asyncio.create_task(work) for work in (heartbeat.beat_on(), *(one.look_on() for one in replicas))]
            stack.push_async_callback(_ended, tasks)
        yield Replication(heartbeat, replicas)


async def _ended(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
