"""What a store does, the real one, two databases, and the fake that contract tests use: the same events, the same answers."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg
import pytest
from pydantic import SecretStr

from both_services import FakeStore
from credit_default import NAMES
from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import SHIPPED
from feature_service.definitions.served import ServedSet
from feature_service.definitions.vectors import Layout, encode
from feature_service.settings import Settings
from feature_service.store.features import FeatureStore
from feature_service.store.opening import open_store
from feature_service.store.postgresql.reader import open_reader
from feature_service.store.postgresql.record import Record
from law import Event, in_force
from local_stack.postgres import Server
from service_kit.request.ask import Ask
from shared_schemas.shards import shard_of

Store = FeatureStore | FakeStore
OpenStore = Callable[[dict[int, list[Event]]], AbstractAsyncContextManager[Store]]

_INSERT = "INSERT INTO feature_history (client_id, event_timestamp, event_id, said) VALUES (%s, %s, %s, %s)"
_ONLINE = """
    INSERT INTO online_features (client_id, event_timestamp, v, times)
    SELECT client_id, event_timestamp, v, times
      FROM features_as_of(ARRAY(SELECT DISTINCT client_id FROM feature_history),
                          ARRAY(SELECT 'infinity'::timestamptz FROM (SELECT DISTINCT client_id FROM feature_history) AS c))
"""


def ask() -> Ask[object]:
    return Ask("test", asyncio.get_running_loop().time() + 5, None)


def day(number: int) -> datetime:
    return datetime(2020, 1, number, tzinfo=UTC)


@pytest.fixture(params=["real", "shards", "fake"])
def opened(request: pytest.FixtureRequest, server: Server, database: str) -> OpenStore:
    sharded = request.getfixturevalue("sharded") if request.param == "shards" else None

    @asynccontextmanager
    async def fake(events: dict[int, list[Event]]) -> AsyncIterator[Store]:
        store = FakeStore()
        for client_id, said in events.items():
            for event in said:
                store.add(client_id, event)
        yield store

    @asynccontextmanager
    async def real(events: dict[int, list[Event]]) -> AsyncIterator[Store]:
        fill(server.url(database), events)
        async with open_store(Settings(database_url=SecretStr(server.url(database, user="feature_service")))) as store:
            yield store

    @asynccontextmanager
    async def shards(events: dict[int, list[Event]]) -> AsyncIterator[Store]:
        assert sharded is not None
        for number, url in enumerate(sharded.owner, start=1):
            fill(url, {client_id: said for client_id, said in events.items() if shard_of(client_id, 2) == number})
        async with open_store(sharded.service()) as store:
            yield store

    return {"real": real, "shards": shards, "fake": fake}[request.param]


def fill(url: str, events: dict[int, list[Event]]) -> None:
    with psycopg.connect(url) as connection:
        for client_id, said in events.items():
            for event in said:
                text = orjson.dumps(event.said).decode()
                connection.execute(_INSERT, [client_id, event.instant, event.event_id, text])
        connection.execute(_ONLINE)


def asked(opened: OpenStore, events: dict[int, list[Event]], question: Callable[[Store], Any]) -> Any:
    async def scenario() -> Any:
        async with opened(events) as store:
            return await question(store)

    return asyncio.run(scenario())


EVENTS = {
    5: [
        Event(day(2), {"age": {"since": "1980-02-29"}, "avg_amount_loans_previous": -0.0, "nb_previous_loans": 3}, 1),
        Event(day(4), {"flag_own_car": 1}),
        Event(day(3), {"flag_own_car": 0, "avg_amount_loans_previous": 1e300}),
        Event(day(4), {"age": 44, "removed_feature": 1}),
    ],
    8: [Event(day(1), {"avg_amount_loans_previous": 5, "age": {"since": "3021-09-18"}})],
}


def test_a_vector_holds_what_is_in_force(opened: OpenStore) -> None:
    vector = json.loads(asked(opened, EVENTS, lambda store: store.vector(5, ask())))
    assert list(vector.items()) == [
        ("client_id", 5), ("nb_previous_loans", 3), ("avg_amount_loans_previous", 1e300), ("age", 44),
        ("years_on_the_job", None), ("flag_own_car", 1), ("event_timestamp", "2020-01-04T00:00:00Z"),
        ("feature_timestamps", {"nb_previous_loans": "2020-01-02T00:00:00Z", "avg_amount_loans_previous": "2020-01-03T00:00:00Z"}),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("as_of", "age", "car"),
    [(day(2), 39, None), (datetime(2021, 2, 28, tzinfo=UTC), 44, 1), (day(3), 39, 0), (day(1), None, None)],
)
def test_a_vector_as_of_an_instant_knows_nothing_later(
    opened: OpenStore, as_of: datetime, age: int | None, car: int | None
) -> None:
    found = asked(opened, EVENTS, lambda store: store.vector(5, ask(), as_of))
    assert (found is None) == (as_of < day(2))
    if found:
        vector = json.loads(found)
        assert (vector["age"], vector["flag_own_car"]) == (age, car)


def test_negative_zero_and_whole_numbers_keep_their_type(opened: OpenStore) -> None:
    async def question(store: Store) -> list[bytes | None]:
        return [await store.vector(5, ask(), day(2)), await store.vector(8, ask())]

    negative, whole = asked(opened, EVENTS, question)
    assert b'"avg_amount_loans_previous":-0.0,' in negative
    assert b'"avg_amount_loans_previous":5.0,"age":null,' in whole


def test_many_vectors_and_pages_are_those_of_their_clients(opened: OpenStore) -> None:
    async def question(store: Store) -> Any:
        both = await store.vectors([5, 6, 8, 5], ask())
        each = {client_id: encode(vector) for client_id, vector in both.items()}
        assert each == {5: await store.vector(5, ask()), 8: await store.vector(8, ask())}
        assert await store.page(0, 1, ask()) == [both[5]]
        assert await store.page(5, 5, ask()) == [both[8]]
        assert await store.page(8, 5, ask()) == []
        assert (await store.vectors([5, 8], ask(), day(1))).keys() == {8}

    asked(opened, EVENTS, question)


def test_a_layout_says_which_features_are_answered(opened: OpenStore) -> None:
    features = read_feature_set(SHIPPED / "credit_default" / "feature_set.toml")
    layout = ServedSet(1, "d", features).layout_of(["flag_own_car", "age@1"])
    assert isinstance(layout, Layout)

    async def question(store: Store) -> Any:
        return await store.vectors([5], ask(), None, layout), await store.page(0, 1, ask(), layout)

    found, page = asked(opened, EVENTS, question)
    assert encode(found[5]) == b'{"client_id":5,"flag_own_car":1,"age":44,"event_timestamp":"2020-01-04T00:00:00Z"}'
    assert page == [found[5]]


def history(dice: random.Random) -> list[Event]:
    """Events of one client in the order of reception: some or hundreds, of few instants, of all features or of some."""
    length = dice.choice([1, 2, 4, 9, 40])
    raw, names, last = dice.choice([0.0, 0.3, 1.0]), dice.choice([NAMES, NAMES[:2]]), dice.choice([2, 9])
    return [
        Event(
            day(dice.randint(2, last)) + timedelta(microseconds=dice.choice([0, 1, 500_000])),
            {
                name: dice.randint(0, 1)
                for name in (names if dice.random() < 0.5 else dice.sample(names, dice.randint(1, len(names))))
            },
            dice.randint(1, 2**62) if dice.random() < raw else None,
        )
        for _ in range(length)
    ]


def by_the_law(client_id: int, events: list[Event], as_of: datetime) -> dict[str, Any] | None:
    law = in_force(events, as_of)
    if law is None:
        return None
    vector = {
        "client_id": client_id,
        **{name: law.values.get(name) for name in NAMES},
        "event_timestamp": written(law.instant),
    }
    older = {name: written(law.older[name]) for name in NAMES if name in law.older}
    return vector | ({"feature_timestamps": older} if older else {})


def written(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


def test_any_history_is_read_as_of_any_instant_by_the_law(opened: OpenStore) -> None:
    dice = random.Random(5)
    events = {client_id: history(dice) for client_id in range(1, 301)}

    async def question(store: Store) -> None:
        for as_of in [day(1), *(day(number) + timedelta(microseconds=1) for number in range(2, 10)), day(20)]:
            expected = {client_id: by_the_law(client_id, said, as_of) for client_id, said in events.items()}
            found = await store.vectors([*events, 1000], ask(), as_of)
            assert found == {client_id: vector for client_id, vector in expected.items() if vector}

    asked(opened, events, question)


def test_a_batch_of_instants_is_not_planned_each_time(server: Server, database: str) -> None:
    fill(server.url(database), EVENTS)

    async def scenario() -> list[Any]:
        settings = Settings(database_url=SecretStr(server.url(database, user="feature_service")))
        async with open_reader(settings, connections=1) as reader:
            for size in (1, 2, 3, 1, 2, 3, 1, 2, 3):
                await Record(reader).at_instants([(5, day(number)) for number in range(1, size + 1)], ask())
            return await reader.fetch(ask(), "SELECT max(custom_plans) FROM pg_prepared_statements")

    [[planned_each_time]] = asyncio.run(scenario())
    assert planned_each_time == 5  # PostgreSQL tries so many before it keeps one
