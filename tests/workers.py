"""Which tests a worker of pytest-xdist takes whole, and which are first."""

from typing import Any

from xdist.scheduler import LoadScopeScheduling

_WHOLE = ("tests/stack", "tests/browser")
LONGEST = (
    "tests/browser",
    "tests/handbook/test_pages.py",
    "tests/integration/decision_log/test_killed.py",
    "tests/integration/test_spark.py",
    "tests/integration/test_apply.py",
    "tests/integration/test_openapi_documents.py",
    "tests/integration/test_load_in_parts.py",
    "tests/integration/online_store/test_publish.py",
    "tests/integration/online_store/test_faults.py",
    "tests/integration/test_load.py",
    "tests/integration/test_model_gates.py",
)


def share(nodeid: str) -> str:
    """The file of a test, so that its fixtures are made once, or the folder whose files share one system."""
    return next((whole for whole in _WHOLE if nodeid.startswith(f"{whole}/")), nodeid.partition("::")[0])


def place(nodeid: str) -> int:
    """The longest shares are first: all workers wait for one that is begun last."""
    whole = share(nodeid)
    return LONGEST.index(whole) if whole in LONGEST else len(LONGEST)


class Shares(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Hands out shares in the order in which they were collected."""

    def __init__(self, config: Any, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by the number of tests, which says nothing of how long they take

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid)
