"""The protocol of Feast's feature server: columns in the order of the request, honest statuses, writes, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from asgi import client_of
from both_services import FakeStore
from feature_service.app import create_app
from feature_service.definitions.served import ServedSet
from feature_service.settings import Settings
from feature_service.store.online import Said
from hand_made import FEATURE_SET
from law import Event
from service_kit.request.ask import Ask

FRESH, OLD = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) - timedelta(days=400)
SET = FEATURE_SET.model_copy(
    update={
        "features": tuple(
            f.model_copy(update={"max_age_days": 30} if f.name == "count" else {}) for f in FEATURE_SET.features
        )
    }
)
VIEW = "hand_made_features"
READ = "/feast/get-online-features"


class FakeWriter:
    """Adds to the events of the store; keys of a first version are names."""

    def __init__(self, store: FakeStore) -> None:
        self.store = store

    async def write(self, client_id: int, said: Said, ask: Ask[object]) -> Sequence[str]:
        self.store.add(client_id, Event(said.event_timestamp, dict(said.values)))
        return ()


def store_of_two() -> FakeStore:
    store = FakeStore((), ServedSet(1, SET.digest, SET))
    store.add(5, Event(FRESH, {"weight": 3.0, "count": 7, "flag": None, "colour": "red"}))
    store.add(6, Event(OLD, {"weight": 1.5, "count": 8}))
    store.add(6, Event(FRESH, {"flag": 1}))
    return store


def ask(
    store: FakeStore, *requests: tuple[str, Any], writes: bool = True, headers: dict[str, str] | None = None
) -> list[httpx.Response]:
    @asynccontextmanager
    async def open_store(_: Settings) -> AsyncIterator[Any]:
        yield store

    @asynccontextmanager
    async def open_writer(*_: Any) -> AsyncIterator[Any]:
        yield FakeWriter(store) if writes else None

    async def scenario() -> list[httpx.Response]:
        async with client_of(create_app(Settings(), open_store, open_writer)) as client:
            return [
                await client.post(url, content=body if isinstance(body, bytes) else json.dumps(body), headers=headers)
                for url, body in requests
            ]

    return asyncio.run(scenario())


def asked(*names: str, ids: Sequence[Any] = (5,), **said: Any) -> dict[str, Any]:
    return {"features": [f"{VIEW}:{name}" for name in names], "entities": {"client_id": list(ids)}} | said


def columns(answer: httpx.Response) -> dict[str, tuple[list[Any], list[str]]]:
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert list(body) == ["results", "metadata"]
    return {
        name: (result["values"], result["statuses"])
        for name, result in zip(body["metadata"]["feature_names"], body["results"], strict=True)
    }


def failure(answer: httpx.Response) -> tuple[int, str]:
    """Status and class of a failure, which is a JSON string that holds JSON."""
    assert answer.headers["content-type"] == "application/json"
    told = json.loads(answer.json())
    assert list(told) == ["module", "class", "message"]
    assert (told["module"], bool(told["message"])) == ("feast.errors", True)
    return answer.status_code, told["class"]


@pytest.mark.parametrize("url", [READ, "/get-online-features"])
def test_columns_are_in_the_order_of_the_request_and_every_status_is_honest(url: str) -> None:
    [answer] = ask(store_of_two(), (url, asked("flag", "count", "weight", ids=[6, 5, 9, 5])))
    found = columns(answer)
    assert list(found) == ["client_id", "flag", "count", "weight"]
    assert found["client_id"] == ([6, 5, 9, 5], ["PRESENT"] * 4)
    assert found["flag"] == ([1, None, None, None], ["PRESENT", "NULL_VALUE", "NOT_FOUND", "NULL_VALUE"])
    assert found["count"] == ([None, 7, None, 7], ["OUTSIDE_MAX_AGE", "PRESENT", "NOT_FOUND", "PRESENT"])
    assert found["weight"] == ([1.5, 3.0, None, 3.0], ["PRESENT", "PRESENT", "NOT_FOUND", "PRESENT"])
    assert b"3.0" in answer.content  # a float stays one to clients that read the type from JSON


def test_instants_are_those_of_the_values() -> None:
    [answer] = ask(store_of_two(), (READ, asked("weight", "flag", ids=[6, 9])))
    ids, weight, flag = (
        [datetime.fromisoformat(one) for one in result["event_timestamps"]] for result in answer.json()["results"]
    )
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert (ids, weight, flag) == ([epoch, epoch], [OLD, epoch], [FRESH, epoch])


def test_a_feature_service_names_all_features_of_the_set_and_names_may_be_full() -> None:
    said = {"feature_service": "hand_made", "entities": {"client_id": ["5"]}, "full_feature_names": True, "unknown": 1}
    [answer] = ask(store_of_two(), (READ, said | {"include_feature_view_version_metadata": True}))
    assert list(columns(answer)) == ["client_id", *(f"{VIEW}__{feature.name}" for feature in SET.features)]
    assert answer.json()["metadata"]["feature_view_metadata"] == [{"name": VIEW}]


def test_json_is_taken_whatever_its_content_type() -> None:
    for headers in ({"Content-Type": "application/x-www-form-urlencoded"}, {"Content-Type": "text/plain"}, {}):
        [answer] = ask(store_of_two(), (READ, asked("weight")), headers=headers)
        assert columns(answer)["weight"] == ([3.0], ["PRESENT"])


def test_a_push_and_a_write_are_read_back() -> None:
    frame = {
        "client_id": [7, "8"], "count": [3.0, None], "colour": ["green", "red"], "weight": [2.5, 7],
        "event_timestamp": [f"{FRESH:%Y-%m-%d %H:%M:%S}+00:00", f"{FRESH:%Y-%m-%dT%H:%M:%S}"], "created": [None, None],
    }  # fmt: skip
    store = store_of_two()
    pushed, written, read = ask(
        store,
        ("/push", {"push_source_name": "hand_made_push", "df": frame, "to": "online", "allow_registry_cache": True}),
        ("/write-to-online-store", {"feature_view_name": VIEW, "df": frame | {"colour": ["red", None]}}),
        ("/get-online-features", asked("count", "colour", "weight", ids=[7, 8])),
    )
    assert (pushed.status_code, pushed.content) == (200, b"")
    assert (written.status_code, written.content) == (200, b"null")
    found = columns(read)
    assert found["count"] == ([3, None], ["PRESENT", "NULL_VALUE"])
    assert found["colour"] == (["red", None], ["PRESENT", "NULL_VALUE"])
    assert found["weight"] == ([2.5, 7.0], ["PRESENT", "PRESENT"])


@pytest.mark.parametrize(
    ("url", "body", "expected"),
    [
        (READ, asked("weight") | {"features": ["nope:weight"]}, (404, "FeatureViewNotFoundException")),
        (READ, asked("weight") | {"features": [f"{VIEW}@v2:weight"]}, (404, "FeatureViewNotFoundException")),
        (READ, asked(feature_service="nope"), (404, "FeatureServiceNotFoundException")),
        (READ, asked("nope"), (422, "SpecifiedFeaturesNotPresentError")),
        (READ, asked(), (422, "SpecifiedFeaturesNotPresentError")),
        (READ, asked("weight", "weight"), (422, "SpecifiedFeaturesNotPresentError")),
        ("/push", {"push_source_name": "nope", "df": {}}, (422, "PushSourceNotFoundException")),
        ("/write-to-online-store", {"feature_view_name": "nope", "df": {}}, (404, "FeatureViewNotFoundException")),
        ("/feast/materialize", {}, (404, "FeastError")),
        (READ, b"{", (422, "FeastError")),
        (READ, b"", (422, "FeastError")),
        (READ, asked("weight", ids=["s3cret"]), (422, "FeastError")),
        (READ, asked("weight", ids=[0]), (422, "FeastError")),
        (READ, asked("weight", ids=[None]), (422, "FeastError")),
        (READ, asked("weight", ids=[2**63]), (422, "FeastError")),
        (READ, asked("weight", ids=[1.5]), (422, "FeastError")),
        (READ, asked("weight", ids=[True]), (422, "FeastError")),
        (READ, asked("weight", ids=range(1, 1002)), (422, "FeastError")),
        (READ, asked("weight") | {"entities": {"person": [1]}}, (422, "FeastError")),
    ],
)  # fmt: skip
def test_failures_have_the_classes_of_feast(url: str, body: Any, expected: tuple[int, str]) -> None:
    [answer] = ask(store_of_two(), (url, body))
    assert failure(answer) == expected
    assert "s3cret" not in answer.text


FRAME: dict[str, Any] = {"client_id": [7], "count": [3], "event_timestamp": ["2022-05-13 10:59:42+00:00"]}


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ["s3cret"]},
        {"client_id": [True]},
        {"client_id": [7, 8]},
        {"client_id": []},
        {"count": ["s3cret"]},
        {"count": [101]},
        {"count": [1.5]},
        {"colour": ["s3cret"]},
        {"s3cret": [1]},
        {"event_timestamp": ["2022-05-13"]},
        {"event_timestamp": ["2022-13-13 10:59:42"]},
        {"event_timestamp": ["9999-05-13 10:59:42"]},
        {"event_timestamp": [1652439582]},
        {"event_timestamp": [None]},
        {"weight": [[1]]},
        {name: values * 1001 for name, values in FRAME.items()},
    ],
)
def test_a_frame_that_is_not_valid_is_422_and_nothing_of_it_is_written(changes: dict[str, Any]) -> None:
    store = store_of_two()
    bad = {name: [*FRAME[name], *values] for name, values in changes.items() if name in FRAME}
    grown = FRAME | changes if len(bad) != len(changes) or not all(len(v) == 1 for v in changes.values()) else (
        {name: values * 2 for name, values in FRAME.items()} | bad
    )  # fmt: skip
    [answer] = ask(store, ("/push", {"push_source_name": "hand_made_push", "df": grown}))
    assert failure(answer) == (422, "FeastError")
    assert "s3cret" not in answer.text
    assert 7 not in store.events


@pytest.mark.parametrize("missing", ["client_id", "event_timestamp", "count"])
def test_a_frame_needs_ids_instants_and_something_said(missing: str) -> None:
    frame = {name: values for name, values in FRAME.items() if name != missing}
    [answer] = ask(store_of_two(), ("/push", {"push_source_name": "hand_made_push", "df": frame}))
    assert failure(answer) == (422, "FeastError")


def test_where_nothing_can_be_written_a_push_is_not_permitted() -> None:
    [answer] = ask(store_of_two(), ("/push", {"push_source_name": "hand_made_push", "df": FRAME}), writes=False)
    assert failure(answer) == (403, "FeastPermissionError")


def test_an_outage_is_503_and_says_when_to_try_again() -> None:
    store = store_of_two()
    store.away = True
    [answer] = ask(store, (READ, asked("weight")))
    assert failure(answer) == (503, "FeastError")
    assert answer.headers["retry-after"] == "1"
