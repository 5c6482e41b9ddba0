"""Ten thousand connections that ask nothing, and one that does."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import psutil
import pytest

from running import service

WANTED = 10_000
SPARE = 200
MOST_BYTES_EACH = 40_000


@contextmanager
def files_for(connections: int) -> Iterator[int]:
    """How many of them this process, and the ones it starts, may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = connections + SPARE if hard == resource.RLIM_INFINITY else min(connections + SPARE, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))
    try:
        yield min(connections, limit - SPARE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(90)
def test_ten_thousand_idle_connections_keep_nobody_waiting() -> None:
    nowhere = "postgresql://feature_service@127.0.0.1:9/features"
    with ExitStack() as stack:
        count = stack.enter_context(files_for(WANTED))
        running = stack.enter_context(service("feature_service", database_url=nowhere, receive_timeout_seconds=60))
        server = psutil.Process(running.process.pid)
        before = server.memory_info().rss
        for _ in range(count):
            stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=5))
        slowest = 0.0
        for _ in range(50):
            started = time.monotonic()
            assert httpx.get(f"{running.base}/health/live", timeout=5).status_code == 200
            slowest = max(slowest, time.monotonic() - started)
        each = (server.memory_info().rss - before) / count
        print(
            f"\n{count} of {WANTED} connections, {each:,.0f} bytes each, the slowest request took {slowest * 1000:.0f} ms"
        )
        assert len(server.net_connections("tcp")) > count
        assert slowest < 1
        assert each < MOST_BYTES_EACH
        since = running.stop()
        assert running.process.wait(timeout=10) == 0
        assert time.monotonic() - since < 5
