"""The formats of a scrape, each read by the real parser of that format."""

import asyncio

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from asgi import client_of
from both_services import FakeStore, feature_app

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)


def scraped(accept: str | None) -> httpx.Response:
    async def scenario() -> httpx.Response:
        async with client_of(feature_app(FakeStore())) as client:
            await client.get("/online_feature_store/client_id=5")
            return await client.get("/metrics", headers={} if accept is None else {"Accept": accept})

    return asyncio.run(scenario())


@pytest.mark.parametrize("accept", [None, "*/*", "text/plain", "text/plain;version=0.0.4", "text/html"])
def test_whoever_does_not_accept_openmetrics_gets_text(accept: str | None) -> None:
    answer = scraped(accept)
    assert answer.headers["content-type"] == TEXT
    assert_counted(answer, {family.name: family for family in read_text(answer.text)})
    assert "# EOF" not in answer.text


@pytest.mark.parametrize(
    ("accept", "escaping"),
    [(PROMETHEUS_3, "allow-utf-8"), ("application/openmetrics-text; version=1.0.0", "underscores")],
)
def test_a_scraper_that_accepts_openmetrics_gets_it(accept: str, escaping: str) -> None:
    answer = scraped(accept)
    assert answer.headers["content-type"] == f"{OPENMETRICS}; escaping={escaping}"
    assert answer.text.endswith("# EOF\n")
    parsed = read_openmetrics(answer.text)  # type: ignore[no-untyped-call] # of the library
    assert_counted(answer, {family.name: family for family in parsed})


def assert_counted(answer: httpx.Response, families: dict[str, object]) -> None:
    assert answer.status_code == 200
    durations = families["http_server_request_duration_seconds"]
    routes = {sample.labels["http_route"] for sample in durations.samples}  # type: ignore[attr-defined] # of the parser
    assert "/online_feature_store/client_id={client_id}" in routes
