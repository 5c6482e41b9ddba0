"""Writes as a caller sees them: what is taken, what is refused and how."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from asgi import client_of
from both_services import CREDIT_DEFAULT, FakeStore
from feature_service.app import create_app
from feature_service.errors import LoadRunning
from feature_service.settings import Settings
from feature_service.store.online import Said
from feature_service.store.postgresql.writer import WriteMetrics
from service_kit.problems import ProblemError, StoreUnavailable
from service_kit.request.ask import Ask

PATH = "/online_feature_store/client_id=5"
INSTANT = {"event_timestamp": "2020-04-11T00:00:00Z"}
WRITE = INSTANT | {"age": 40}
SECRET = "918273645"  # a value that must not come back


class Recorded:
    """A writer that remembers what it was asked, and answers as it is told."""

    def __init__(self, answer: bool | ProblemError = True, stale: Sequence[str] = ()) -> None:
        self.answer = answer
        self.stale = stale
        self.written: list[Said] = []

    async def write(self, client_id: int, said: Said, ask: Ask[Any]) -> Sequence[str]:
        self.written.append(said)
        await self.erase(client_id, "id", ask)
        return self.stale

    async def erase(self, client_id: int, id_column: str, _: Ask[Any]) -> bool:
        if isinstance(self.answer, ProblemError):
            raise self.answer
        return self.answer


def app_with(writer: Recorded | None) -> FastAPI:
    @asynccontextmanager
    async def open_store(_: Settings) -> AsyncIterator[Any]:
        yield FakeStore()

    @asynccontextmanager
    async def open_writer(_: Settings, __: WriteMetrics) -> AsyncIterator[Any]:
        yield writer

    return create_app(Settings(), open_store, open_writer)


def asked(writer: Recorded | None, method: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        async with client_of(app_with(writer)) as client:
            return await client.request(method, PATH, **options)

    return asyncio.run(ask())


REFUSED: dict[str, tuple[Any, str]] = {
    "nothing but an instant": (INSTANT, "#"),
    "an instant before 1900": ({"event_timestamp": "1899-12-31T23:59:59Z", "age": 40}, "#/event_timestamp"),
    "an instant after 9998": ({"event_timestamp": "9999-01-01T00:00:00Z", "age": 40}, "#/event_timestamp"),
    "an instant in the future": ({"event_timestamp": (datetime.now(UTC) + timedelta(hours=25)).isoformat(), "age": 40}, "#/event_timestamp"),
    "no instant": ({"age": 40}, "#/event_timestamp"),
    "an instant without a zone": ({"event_timestamp": "2020-04-11T00:00:00"}, "#/event_timestamp"),
    "a day": ({"event_timestamp": "2020-04-11"}, "#/event_timestamp"),
    "a day that does not exist": ({"event_timestamp": "2020-02-30T00:00:00Z"}, "#/event_timestamp"),
    "seconds since 1970": ({"event_timestamp": 918273645}, "#/event_timestamp"),
    "those as text": ({"event_timestamp": SECRET}, "#/event_timestamp"),
    "an instant before all time": ({"event_timestamp": "0001-01-01T00:00:00+01:00"}, "#/event_timestamp"),
    "no instant but null": ({"event_timestamp": None}, "#/event_timestamp"),
    "text for a number": (INSTANT | {"age": SECRET}, "#/age"),
    "a point in an integer": (INSTANT | {"age": 40.0}, "#/age"),
    "true for 1": (INSTANT | {"flag_own_car": True}, "#/flag_own_car"),
    "an age of 0": (INSTANT | {"age": 0}, "#/age"),
    "an age above 100": (INSTANT | {"age": 101}, "#/age"),
    "less than no loans": (INSTANT | {"nb_previous_loans": -1}, "#/nb_previous_loans"),
    "more loans than 64 bits hold": (INSTANT | {"nb_previous_loans": 2**63}, "#/nb_previous_loans"),
    "an amount below 0": (INSTANT | {"avg_amount_loans_previous": -0.01}, "#/avg_amount_loans_previous"),
    "an amount that is too large": (INSTANT | {"avg_amount_loans_previous": 10**400}, "#/avg_amount_loans_previous"),
    "years below 0": (INSTANT | {"years_on_the_job": -1}, "#/years_on_the_job"),
    "years above 100": (INSTANT | {"years_on_the_job": int(SECRET)}, "#/years_on_the_job"),
    "a flag that is none": (INSTANT | {"flag_own_car": 2}, "#/flag_own_car"),
    "a key that is not known": (INSTANT | {SECRET: 1}, "#"),
    "the client once more": (INSTANT | {"client_id": 5}, "#"),
    "a list": ([INSTANT], "#"),
    "null": (None, "#"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_body_that_is_not_right_is_refused_where_it_is_wrong(kind: str) -> None:
    body, pointer = REFUSED[kind]
    writer = Recorded()
    answer = asked(writer, "PUT", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert SECRET not in answer.text
    assert writer.written == []


@pytest.mark.parametrize(
    ("content", "content_type"),
    [(b"{", "application/json"), (b'{"age": 1e', "application/json"), (b"\xff", "application/json"), (b"", "application/json"),
     (b'{"event_timestamp": "2020-04-11T00:00:00Z"}', "text/plain"),
     (b'{"event_timestamp": "2020-04-11T00:00:00Z", "avg_amount_loans_previous": NaN}', "application/json"),
     (b'{"event_timestamp": "2020-04-11T00:00:00Z", "avg_amount_loans_previous": 1e999}', "application/json")],
)  # fmt: skip
def test_what_is_no_json_is_refused(content: bytes, content_type: str) -> None:
    writer = Recorded()
    answer = asked(writer, "PUT", content=content, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")
    assert writer.written == []


def test_every_bound_of_the_definitions_holds_and_is_itself_within() -> None:
    for feature in CREDIT_DEFAULT.features:
        least, most = (0, 1) if feature.type == "flag" else (feature.minimum, feature.maximum)
        for bound, step in ((least, -1), (most, 1)):
            if bound is None:
                continue
            value = int(bound) if feature.whole else bound
            assert asked(Recorded(), "PUT", json=INSTANT | {feature.name: value}).status_code == 200
            answer = asked(Recorded(), "PUT", json=INSTANT | {feature.name: value + step})
            assert answer.json()["errors"][0]["pointer"] == f"#/{feature.name}"


def test_an_event_of_the_next_hours_is_taken() -> None:
    soon = (datetime.now(UTC) + timedelta(hours=23)).isoformat()
    assert asked(Recorded(), "PUT", json={"event_timestamp": soon, "age": 40}).status_code == 200


def test_absent_and_null_are_told_apart() -> None:
    writer = Recorded()
    asked(writer, "PUT", json=INSTANT | {"age": None, "nb_previous_loans": 0})
    [said] = writer.written
    assert said.values == {"age": None, "nb_previous_loans": 0}


def test_a_write_says_whether_it_was_applied() -> None:
    both = WRITE | {"flag_own_car": 1}
    assert asked(Recorded(), "PUT", json=both).json() == {"applied": True}
    assert asked(Recorded(stale=["age"]), "PUT", json=both).json() == {"applied": True, "stale": ["age"]}
    assert asked(Recorded(stale=["age"]), "PUT", json=WRITE).json() == {"applied": False, "reason": "stale"}


def test_an_erasure_says_whether_there_was_anything() -> None:
    done = asked(Recorded(True), "DELETE")
    assert (done.status_code, done.content) == (204, b"")
    nothing = asked(Recorded(False), "DELETE")
    assert (nothing.status_code, nothing.json()["type"]) == (404, "/problems/client-not-found")


@pytest.mark.parametrize(
    ("problem", "kind"), [(LoadRunning(), "load-running"), (StoreUnavailable(), "store-unavailable")]
)
def test_what_may_pass_says_when_to_try_again(problem: ProblemError, kind: str) -> None:
    answer = asked(Recorded(problem), "DELETE")
    assert (answer.status_code, answer.json()["type"]) == (503, f"/problems/{kind}")
    assert int(answer.headers["retry-after"]) > 0


def test_without_a_role_to_write_as_there_are_no_writes() -> None:
    async def scenario() -> None:
        app = create_app(Settings(writer_database_url=None, database_url="postgresql://nobody@127.0.0.1:1/none"))
        async with client_of(app) as client:
            for method, body in (("PUT", WRITE), ("PUT", {"age": "?"}), ("DELETE", None)):
                answer = await client.request(method, PATH, json=body)
                assert (answer.status_code, answer.json()["type"]) == (403, "/problems/read-only")

    asyncio.run(scenario())


def test_writes_to_addresses_that_name_no_client_are_refused() -> None:
    async def scenario() -> None:
        async with client_of(app_with(Recorded())) as client:
            for name in ("0", "05", "x", "9223372036854775808", ""):
                for method in ("PUT", "DELETE"):
                    answer = await client.request(method, f"/online_feature_store/client_id={name}", json=WRITE)
                    assert answer.json()["errors"][0]["pointer"] == "path/client_id"

    asyncio.run(scenario())


def test_the_document_holds_what_a_write_can_be_answered_with() -> None:
    async def document() -> Any:
        async with client_of(app_with(Recorded())) as client:
            return (await client.get("/openapi.json")).json()

    written = asyncio.run(document())
    described = written["paths"]["/online_feature_store/client_id={client_id}"]
    assert described["put"]["responses"].keys() == {"200", "403", "422", "503", "504"}
    assert described["delete"]["responses"].keys() == {"204", "403", "404", "422", "503", "504"}
    age, _ = written["components"]["schemas"]["FeatureWrite"]["properties"]["age"]["anyOf"]
    assert age == {"type": "integer", "exclusiveMinimum": 0, "maximum": 100}
