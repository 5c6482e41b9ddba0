"""The migration to a partitioned history under load, beside the same load without it."""

import time

from db_init.migrate import migrate
from local_stack.postgres import Server
from migrations import at_revision
from partitioning import at_work, fill

_NAME = "partitions"
_ROWS_OF_A_CLIENT = 20
_QUIET_SECONDS = 15


def measure(postgres: Server, rows: int) -> None:
    settings = at_revision(postgres, _NAME, "0005")
    clients = rows // _ROWS_OF_A_CLIENT
    fill(postgres, _NAME, rows, clients)
    with at_work(postgres, _NAME, clients) as before:
        time.sleep(_QUIET_SECONDS)
    with at_work(postgres, _NAME, clients) as meanwhile:
        started = time.perf_counter()
        migrate(settings)
        seconds = time.perf_counter() - started
    with at_work(postgres, _NAME, clients) as afterwards:
        time.sleep(_QUIET_SECONDS)
    for name, waits in (("before", before), (f"during {seconds:.1f} s", meanwhile), ("afterwards", afterwards)):
        print(f"{name}, {len(waits.failures)} failed\n{waits}")
