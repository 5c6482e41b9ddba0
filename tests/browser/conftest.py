"""One installation and one Chromium for all pages. Nothing outside this machine can be reached from it."""

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, sync_playwright

from console_installation import Installation, installed
from console_pages import CHROMIUM, Windows
from folders import database_folder
from local_stack.postgres import running_postgres

_OFF = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
_DECIDED = 1_000


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    with (
        database_folder("console") as folder,
        running_postgres(folder) as server,
        installed(server, folder) as found,
    ):
        yield found


@pytest.fixture(scope="session")
def front(installation: Installation) -> Iterator[str]:
    """A front door behind which a thousand clients were decided about."""
    with installation.front() as base, httpx.Client(base_url=base, timeout=30) as client:
        page = client.get("/online_feature_store", params={"limit": _DECIDED}).json()
        ids = [vector["client_id"] for vector in page["features"]]
        answer = client.post("/credit_risk/batch", json={"client_ids": ids}, headers={"X-Request-Timeout-Ms": "10000"})
        assert len(answer.json()["predictions"]) == _DECIDED
        yield base


@pytest.fixture(scope="module")
def chromium(front: str) -> Iterator[Browser]:
    """For one file: while it is open, nothing else in this process can run an event loop."""
    assert front
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", _OFF])


@pytest.fixture(scope="module")
def windows(chromium: Browser) -> Windows:
    return Windows(chromium)
