"""Which tests a worker of pytest-xdist takes whole, in which order, and which give way to others."""

import os
from typing import Any

from xdist.scheduler import LoadScopeScheduling

TIMED = (
    "tests/stack",
    "tests/contract/test_direct.py",
    "tests/contract/test_limits.py",
    "tests/contract/test_protection.py",
    "tests/integration/decision_log/test_witnesses.py",
    "tests/integration/test_faults.py",
    "tests/integration/test_many_connections.py",
    "tests/integration/test_shutdown.py",
    "tests/integration/test_time_limits.py",
)
"""These measure time, or wait for limits of time: one worker runs them one after the other, and all other tests give way."""

LONGEST = (
    "tests/browser",
    "tests/handbook/test_pages.py",
    "tests/integration/test_openapi_documents.py",
    "tests/integration/test_spark.py",
    "tests/integration/decision_log/test_killed.py",
    "tests/integration/online_store/test_faults.py",
    "tests/integration/test_load_in_parts.py",
    "tests/integration/online_store/test_publish.py",
    "tests/integration/test_model_gates.py",
    "tests/integration/test_load.py",
    "tests/integration/test_load_bad_input.py",
)

_NICE = 10


def _within(nodeid: str, places: tuple[str, ...]) -> bool:
    return any(nodeid.startswith((f"{place}/", f"{place}::")) for place in places)


def share(nodeid: str) -> str:
    """What one worker takes whole: a file, so that its fixtures are made once; those whose files share one system; TIMED."""
    if _within(nodeid, TIMED):
        return "timed"
    return "tests/browser" if _within(nodeid, ("tests/browser",)) else nodeid.partition("::")[0]


def place(nodeid: str) -> int:
    """Shares that take long are first: all workers wait for one that is begun last."""
    order = ("timed", *LONGEST)
    whole = share(nodeid)
    return order.index(whole) if whole in order else len(order)


def give_way(nodeid: str) -> None:
    """Lower the priority of this process and of those that it will start, for good, before a test that measures no time."""
    if not _within(nodeid, TIMED):
        os.setpriority(os.PRIO_PROCESS, 0, max(_NICE, os.getpriority(os.PRIO_PROCESS, 0)))


class Shares(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out shares in the order in which they were collected."""

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by the number of tests, which says nothing of how long they take

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
