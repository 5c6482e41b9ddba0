"""What an online store does, whichever it is: the same writes and erasures, the same vectors to the byte."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from typing import Any

from both_services import FakeStore
from feature_service.definitions.vectors import Vector, encode
from feature_service.store.online import Said
from law import Event
from online_stores import Online, OpenOnline, ask

START = datetime(2020, 1, 1, tzinfo=UTC)
SAID: list[dict[str, Any]] = [
    {"avg_amount_loans_previous": -0.0, "age": 44},
    {"avg_amount_loans_previous": 5e-324, "nb_previous_loans": 2**63 - 1},
    {"avg_amount_loans_previous": 1.7976931348623157e308},
    {"avg_amount_loans_previous": 0.1 + 0.2, "flag_own_car": None},
    {"avg_amount_loans_previous": 5.0, "years_on_the_job": 0},
    {"avg_amount_loans_previous": 128.90637116931464, "age": None},
    {"nb_previous_loans": 3, "flag_own_car": 1},
]


def written_out(vectors: dict[int, Vector]) -> dict[int, bytes]:
    return {client_id: encode(vector) for client_id, vector in vectors.items()}


async def written(store: Online, law: FakeStore, client_id: int, event: Event) -> None:
    """In the store, and in the law of time."""
    await store.writes.write(client_id, Said(event.instant, event.said), ask())
    law.add(client_id, event)


def test_a_client_is_there_when_it_is_written_and_gone_when_it_is_erased(online: OpenOnline) -> None:
    async def scenario() -> None:
        law = FakeStore()
        async with online() as store:
            await store.reads.ping(ask())
            assert await store.reads.vector(5, ask()) is None
            assert not await store.writes.erase(5, "id", ask())
            for client_id in (5, 6):
                await written(store, law, client_id, Event(START, SAID[0]))
                assert await store.reads.vector(client_id, ask()) == await law.vector(client_id, ask())
            assert await store.writes.erase(5, "id", ask())
            assert written_out(await store.reads.vectors([5, 6], ask())) == {6: await law.vector(6, ask())}
            assert not await store.writes.erase(5, "id", ask())
            assert store.counted.get_sample_value("feature_deletes_total") == 1
            await written(store, FakeStore(), 5, Event(START, SAID[0]))
            assert written_out(await store.reads.vectors([5, 6], ask())) == written_out(
                await law.vectors([5, 6], ask())
            )

    asyncio.run(scenario())


def test_writes_and_erasures_in_any_order_leave_what_the_law_of_time_says(online: OpenOnline) -> None:
    dice, clients = random.Random(7), [1, 2, 2**63 - 1]

    async def scenario() -> None:
        law = FakeStore()
        async with online() as store:
            for _ in range(60):
                client_id = dice.choice(clients)
                if dice.random() < 0.1:
                    await store.writes.erase(client_id, "id", ask())
                    law.events.pop(client_id, None)
                else:
                    instant = START + timedelta(days=dice.randrange(4), microseconds=dice.randrange(2))
                    await written(store, law, client_id, Event(instant, dice.choice(SAID)))
                found, expected = await store.reads.vectors(clients, ask()), await law.vectors(clients, ask())
                assert written_out(found) == written_out(expected)

    asyncio.run(scenario())


def test_newer_events_are_named_to_those_who_write_late(online: OpenOnline) -> None:
    async def scenario() -> None:
        async with online() as store:
            for instant, said, stale in (
                (START + timedelta(days=1), {"age": 40, "nb_previous_loans": 1}, []),
                (START, {"age": 39, "flag_own_car": 1}, ["age"]),
                (START, {"age": 38}, ["age"]),
            ):
                assert await store.writes.write(5, Said(instant, said), ask()) == stale

    asyncio.run(scenario())


def test_writers_of_one_client_at_once_leave_the_vector_of_all_of_them(online: OpenOnline) -> None:
    async def scenario() -> None:
        law = FakeStore()
        async with online() as one, online() as other:
            events = [Event(START + timedelta(days=n), SAID[n % len(SAID)]) for n in range(16)]
            await asyncio.gather(*(written((one, other)[n % 2], law, 5, event) for n, event in enumerate(events)))
            assert await one.reads.vector(5, ask()) == await law.vector(5, ask())

    asyncio.run(scenario())


def test_many_at_once_and_many_in_one_batch_each_get_their_own(online: OpenOnline) -> None:
    known = range(1, 31)

    async def scenario() -> None:
        law = FakeStore()
        async with online() as store:
            for client_id in known:
                await written(store, law, client_id, Event(START, {"nb_previous_loans": client_id}))
            expected = written_out(await law.vectors(known, ask()))
            asked = [*range(1, 460), *range(1, 30)]
            assert written_out(await store.reads.vectors(asked, ask())) == expected
            each = await asyncio.gather(*(store.reads.vector(client_id, ask()) for client_id in asked))
            assert each == [expected.get(client_id) for client_id in asked]
            assert await store.reads.vectors([], ask()) == {}

    asyncio.run(scenario())
