"""The history since an instant only: what was in force stays, what is older is refused, and nothing of it is left."""

import asyncio
import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from both_services import CREDIT_DEFAULT
from db_init.settings import Settings
from loans import Capture, loaded, loan, run, write
from local_stack.postgres import Server
from partitioning import at_work
from writing import address, counted, put, read, service

CUT = datetime(datetime.now(UTC).year, 1, 1, tzinfo=UTC)
DAY = f"{CUT:%Y-%m-%d}"
NAMES = [feature.name for feature in CREDIT_DEFAULT.features]
INSTANTS = [CUT, CUT + timedelta(days=3), CUT + timedelta(days=200), datetime(9998, 1, 1, tzinfo=UTC)]


def filled(server: Server, database: str, clients: int = 60) -> None:
    """Writes of each client before and after the cut, several of one instant, with values that are easily told apart."""
    dice = random.Random(11)
    with psycopg.connect(server.url(database)) as connection:
        for client_id in range(1, clients + 1):
            for number in range(dice.randint(1, 9)):
                instant = CUT + timedelta(days=dice.randint(-400, 60), hours=dice.choice([0, 1]))
                keys = dice.sample(NAMES, dice.randint(1, 3))
                said = ", ".join(f'"{key}": {client_id * 100 + number}' for key in keys)
                connection.execute("SELECT write_features(%s, %s, %s)", [client_id, instant, f"{{{said}}}"])


def vectors(server: Server, database: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(server.url(database)) as connection:
        ids = "ARRAY(SELECT generate_series(1, 60))"
        return [
            row
            for instant in INSTANTS
            for row in connection.execute(
                f"SELECT client_id, event_timestamp, v::text, times::text FROM features_as_of({ids}, array_fill(%s::timestamptz, ARRAY[60])) ORDER BY 1",
                [instant],
            )
        ] + connection.execute(
            "SELECT client_id, event_timestamp, v::text, times::text FROM online_features ORDER BY 1"
        ).fetchall()


def retain(settings: Settings, day: str = DAY) -> int:
    return run(settings, "retain", "--before", day)


def partitions(server: Server, database: str) -> dict[str, int]:
    """Rows before the cut by partition."""
    with psycopg.connect(server.url(database)) as connection:
        query = "SELECT tableoid::regclass::text, count(*) FROM feature_history WHERE event_timestamp < %s GROUP BY 1"
        return dict(connection.execute(query, [CUT]).fetchall())


def test_what_is_in_force_stays_to_the_byte_and_what_is_older_goes(
    server: Server, database: str, settings: Settings
) -> None:
    filled(server, database)
    before = vectors(server, database)
    [(name, rows)] = partitions(server, database).items()
    assert retain(settings) == 0
    assert vectors(server, database) == before
    [(name_after, kept)] = partitions(server, database).items()
    assert (name, name_after) == ("feature_history_past", "feature_history_past")
    assert 0 < kept < rows
    assert retain(settings) == 0  # again
    assert vectors(server, database) == before
    assert partitions(server, database) == {name: kept}
    with psycopg.connect(server.url(database)) as connection:
        left = connection.execute(
            "SELECT relname FROM pg_class WHERE relname LIKE 'feature_history_kept%' AND relkind = 'r'"
        ).fetchall()
    assert left == []


def test_what_is_before_it_is_refused_and_what_is_after_it_goes_on(
    server: Server, database: str, settings: Settings
) -> None:
    early, late = f"{CUT - timedelta(days=1):%Y-%m-%d}T00:00:00Z", f"{CUT + timedelta(days=1):%Y-%m-%d}T00:00:00Z"

    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, early, age=40, flag_own_car=1)
            assert await read(client, early) == (None, None, 40, None, 1)
            assert await asyncio.to_thread(retain, settings) == 0
            refused = await client.put(address(), json={"event_timestamp": early, "age": 41})
            asked = await client.get(address(), params={"as_of": early})
            batch = await client.post("/online_feature_store/batch", json={"client_ids": [5], "as_of": early})
            for answer in (refused, asked, batch):
                assert (answer.status_code, answer.json()["type"]) == (422, "/problems/before-retention")
            # Neighbours of one that is refused are answered.
            good, bad = await asyncio.gather(
                *(client.get(address(), params={"as_of": instant}) for instant in (late, early))
            )
            assert (good.status_code, bad.status_code) == (200, 422)
            assert await read(client) == await read(client, late) == (None, None, 40, None, 1)
            assert await put(client, late, age=42) == {"applied": True}
            assert await read(client) == (None, None, 42, None, 1)
            assert await read(client, f"{DAY}T00:00:00Z") == (None, None, 40, None, 1)
            assert (await client.delete(address())).status_code == 204
            assert await read(client) is None

    asyncio.run(scenario())
    assert counted(server, database) == {"online_features": 0, "feature_history": 0, "quarantine": 0}


def test_an_import_quarantines_what_is_before_it(
    server: Server, database: str, settings: Settings, tmp_path: Path, capsys: Capture
) -> None:
    assert retain(settings) == 0
    file = tmp_path / "features.csv"
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["id", *NAMES, "status", "event_timestamp"])
        for client_id, instant in ((1, CUT - timedelta(seconds=1)), (2, CUT)):
            writer.writerow([client_id, 1, 2.5, 40, 3, 1, "", instant.isoformat()])
    for _ in range(2):
        assert run(settings, "import-features", str(file), "--report", "json") == 0
    with psycopg.connect(server.url(database)) as connection:
        assert connection.execute("SELECT client_id FROM feature_history").fetchall() == [(2,)]
        assert connection.execute("SELECT reason, line FROM quarantine").fetchall() == [("before_retention", 2)]


def test_a_load_quarantines_what_is_before_it(settings: Settings, loans_file: Path, capsys: Capture) -> None:
    assert retain(settings) == 0
    capsys.readouterr()
    loans = [loan(1, 5, f"{CUT - timedelta(days=1):%Y-%m-%d}"), loan(2, 6, DAY)]
    report = loaded(settings, capsys, write(loans_file, loans))
    assert (report["loaded"], report["quarantined"]) == (1, {"before_retention": 1})


def test_raw_events_are_kept_because_their_pipeline_needs_them(
    server: Server, database: str, settings: Settings, loans_file: Path, capsys: Capture
) -> None:
    loaded(settings, capsys, write(loans_file, [loan(1, 5, "2020-01-01"), loan(2, 5, DAY)]))
    assert retain(settings) == 1
    assert "pipeline" in capsys.readouterr().err
    assert partitions(server, database) == {"feature_history_past": 1}
    with psycopg.connect(server.url(database)) as connection:
        assert connection.execute("SELECT FROM history_retention").fetchall() == []


@pytest.mark.parametrize("day", [f"{CUT.year + 1}-01-01", f"{CUT.year}-01-02"])
def test_it_is_cut_where_a_partition_ends_that_is_over(settings: Settings, capsys: Capture, day: str) -> None:
    assert retain(settings, day) == 1
    assert DAY in capsys.readouterr().err


def test_readers_and_writers_go_on_meanwhile(server: Server, database: str, settings: Settings) -> None:
    filled(server, database)
    with at_work(server, database, 60, instant=f"{CUT + timedelta(days=9):%Y-%m-%d}+00", days=0) as waits:
        assert retain(settings) == 0
    assert waits.failures == []
    assert all(waits.seconds.values())
