"""Two databases that share the clients hold together what one holds, row by row, and each of them its own clients."""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template
from typing import Any

import psycopg
import pyarrow.parquet
import pytest
from pydantic import SecretStr

from credit_default import FILE, beside_another_pipeline
from db_init.migrate import migrate
from db_init.settings import Settings
from db_init.shards import shards
from loans import Loan, loan, run, write
from local_stack.postgres import Server
from sharded import FIRST, SECOND, Sharded, fresh_database
from shared_schemas.shards import shard_of

Capture = pytest.CaptureFixture[str]
ONLINE = "SELECT client_id, event_timestamp, v::text, times::text FROM online_features"
HISTORY = "SELECT client_id, event_timestamp, event_id, said::text, raw::text, outcome FROM feature_history"
QUARANTINE = "SELECT source, line, reason, row::text FROM quarantine"
VECTORS = "id,nb_previous_loans,avg_amount_loans_previous,age,years_on_the_job,flag_own_car,status,event_timestamp"


def dirty_loans(seed: int) -> list[Loan]:
    dice = random.Random(seed)
    clients = [*FIRST, *SECOND, 2**31 - 1, 2**63 - 1]
    good = [
        loan(
            n,
            dice.choice(clients),
            f"2020-0{dice.randint(1, 9)}-01",
            str(dice.randint(1, 999)),
            status=dice.choice("01"),
        )
        for n in range(1, 200)
    ]
    bad = [loan(300 + n, client, loan_amount="-1") for n, client in enumerate(clients)]
    unreadable = [loan(400, id="?"), loan(401, id=""), loan(402, id="0")]
    return [*good, *bad, *unreadable, *dice.sample(good, 20)]


def reported(settings: Settings, capsys: Capture, *command: object) -> dict[str, Any]:
    capsys.readouterr()
    assert run(settings, *command, "--report", "json") == 0
    report: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {name: value for name, value in report.items() if name != "seconds"}


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def by_text(found: Sequence[tuple[Any, ...]]) -> list[str]:
    return sorted(map(str, found))


def assert_divided(sharded: Sharded, settings: Settings) -> None:
    """As in the one database, and each client in its own."""
    for query in (ONLINE, HISTORY, QUARANTINE):
        first, second = sharded.rows(query)
        assert by_text([*first, *second]) == by_text(rows(settings.database_url.get_secret_value(), query))
    for number, found in enumerate(sharded.rows("SELECT DISTINCT client_id FROM feature_history"), start=1):
        assert found
        assert {shard_of(client_id, 2) for [client_id] in found} == {number}


@pytest.fixture
def whole(server: Server, database: str) -> Iterator[Settings]:
    """One database that knows all clients."""
    with fresh_database(server, f"{database}_whole") as name:
        yield Settings(database_url=SecretStr(server.url(name)))


def test_loads_and_imports_leave_together_what_one_database_has(
    sharded: Sharded, whole: Settings, tmp_path: Path, capsys: Capture
) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(7))
    with loans.open("a") as torn:
        torn.write(f'"{SECOND[0]},torn\n')
    vectors = tmp_path / "vectors.csv"
    lines = [f"{client},1,2.5,{client % 90},3,1,0,2021-0{1 + client % 9}-01" for client in (*FIRST, *SECOND)]
    vectors.write_text(
        "\n".join([VECTORS, *lines, "?,1,1,1,1,1,0,2021-01-01", "5,1,1,x,1,1,0,2021-01-01", "6,torn", ""])
    )
    for command, file in (("load", loans), ("import-features", vectors), ("load", loans)):
        assert reported(sharded.settings, capsys, command, file) == reported(whole, capsys, command, file)
        assert_divided(sharded, whole)
    anew = ("load", "--recompute", "--feature-set", beside_another_pipeline(tmp_path))
    report = reported(sharded.settings, capsys, *anew)
    assert report == reported(whole, capsys, *anew)
    assert report["events_changed"] > 50
    assert_divided(sharded, whole)


def test_training_rows_of_all_databases_stand_in_one_file(sharded: Sharded, whole: Settings, tmp_path: Path) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(8))
    exported = []
    for number, settings in enumerate((sharded.settings, whole)):
        assert run(settings, "load", loans) == 0
        out = tmp_path / f"{number}.parquet"
        assert run(settings, "export-training", out, "--folds", "3") == 0
        exported.append(pyarrow.parquet.read_table(out))
    assert exported[0].equals(exported[1], check_metadata=True)
    assert exported[0].num_rows > 150


def test_a_load_that_failed_in_one_database_goes_on_there(sharded: Sharded, tmp_path: Path, capsys: Capture) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(9))
    history = "SELECT count(*) FROM feature_history"
    with psycopg.connect(sharded.owner[1], autocommit=True) as connection:
        connection.execute("ALTER TABLE quarantine RENAME TO put_aside")
        assert run(sharded.settings, "load", loans) == 1
        assert "Database 2 of 2: " in capsys.readouterr().err
        [[first]], [[second]] = sharded.rows(history)
        assert (first > 0, second) == (True, 0)
        connection.execute("ALTER TABLE put_aside RENAME TO quarantine")

    assert run(sharded.settings, "load", loans, "--report", "json") == 0
    captured = capsys.readouterr()
    assert "database 1 of 2 has this file already" in captured.err
    [[again]], [[second]] = sharded.rows(history)
    assert (again, second) == (first, json.loads(captured.out)["loaded"])
    assert second > 0

    report = reported(sharded.settings, capsys, "load", loans)  # from now on it is a load as any other
    assert (report["loaded"], report["unchanged"]) == (0, first + second + 20)


def test_databases_in_another_order_or_in_part_are_refused(sharded: Sharded, tmp_path: Path, capsys: Capture) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(10))
    first, second = sharded.owner
    for urls, why in (
        (
            [second, first],
            "Database 1 of 2: It records that it is database 2 of 2, and is asked for as database 1 of 2",
        ),
        ([first], "It records that it is database 1 of 2, and is asked for as database 1 of 1"),
        ([first, second, first], "asked for as database 1 of 3"),
    ):
        settings = Settings(database_url=SecretStr(" ".join(urls)))
        for command in (
            ["migrate"],
            ["load", loans],
            ["import-features", loans],
            ["apply", FILE],
            ["export-training", tmp_path / "x"],
        ):
            assert run(settings, *command) == 1, command
            assert why in capsys.readouterr().err
    assert sharded.rows("SELECT 1 FROM feature_history UNION ALL SELECT 1 FROM quarantine") == ([], [])


def test_a_database_that_has_clients_of_others_does_not_become_one_of_several(
    sharded: Sharded, whole: Settings, tmp_path: Path, capsys: Capture
) -> None:
    one = whole.database_url.get_secret_value()
    both = Settings(database_url=SecretStr(f"{one} {sharded.owner[1]}"))
    assert run(both, "load", write(tmp_path / "loans.csv", [loan(1, SECOND[0])])) == 1
    assert "run `python -m db_init migrate` with all URLs" in capsys.readouterr().err
    assert run(whole, "load", tmp_path / "loans.csv") == 0
    assert run(both, "migrate") == 1
    assert "Database 1 of 2: It knows clients that database 1 of 2 does not have" in capsys.readouterr().err


def test_a_database_is_divided_with_the_statements_of_the_documentation(
    sharded: Sharded, whole: Settings, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/several-databases.md").read_text()
    lists = dict(re.findall(r'^\$ (HISTORY|ONLINE)="([^"]+)"$', page, re.MULTILINE))
    moves = re.findall(r'-c "(COPY [^"]+ TO STDOUT)" \|\n>   psql "\$NEW_2" -c "(COPY [^"]+ FROM STDIN)"', page)
    [last] = re.findall(r'-c "(SELECT setval[^"]+)"', page)
    assert len(moves) == 2
    assert run(whole, "load", write(tmp_path / "loans.csv", dirty_loans(12))) == 0
    for number, url in enumerate(sharded.owner, start=1):
        with psycopg.connect(whole.database_url.get_secret_value()) as old, psycopg.connect(url) as new:
            for move in moves:
                out, into = (Template(one).substitute(lists) for one in move)
                copied(old, out.replace("2) = 2", f"2) = {number}"), new, into)
            new.execute(last)
            if number == 1:
                copied(old, "COPY quarantine TO STDOUT", new, "COPY quarantine FROM STDIN")
    assert_divided(sharded, whole)
    more = write(tmp_path / "more.csv", [loan(1_000 + client_id, client_id) for client_id in (*FIRST, *SECOND)])
    for settings in (sharded.settings, whole):
        assert run(settings, "load", more) == 0
    assert_divided(sharded, whole)


def copied(old: psycopg.Connection, out: str, new: psycopg.Connection, into: str) -> None:
    with old.cursor().copy(out) as rows, new.cursor().copy(into) as filled:
        for chunk in rows:
            filled.write(chunk)


GIVEN_A_CLIENT = """UPDATE quarantine SET row = row || '{{"id": "{0}"}}' WHERE row->>'loan_id' = '{1}'"""
MENDED = "UPDATE quarantine SET row = row || '{\"loan_amount\": 100}' WHERE row->>'loan_amount' = '-1' AND line % 2 = 0"
READABLE = (
    "UPDATE quarantine SET row = jsonb_set(row, '{text}', to_jsonb('900,' || (row->>'text') || ',2020-01-01,100,1980-06-15,,Y,0')) "
    "WHERE row ? 'columns'"
)


def execute(settings: Settings, statement: str) -> None:
    """In all databases."""
    for url in settings.database_urls:
        with psycopg.connect(url) as connection:
            connection.execute(statement)


def test_lines_in_quarantine_are_tried_again_where_their_client_is(
    sharded: Sharded, whole: Settings, tmp_path: Path, capsys: Capture
) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(13))
    with loans.open("a") as torn:
        torn.write(f"{SECOND[2]}\n")
    assert reported(sharded.settings, capsys, "load", loans) == reported(whole, capsys, "load", loans)
    retry = ("load", "--retry-quarantined")
    assert reported(sharded.settings, capsys, *retry) == reported(whole, capsys, *retry)  # as bad as before
    assert_divided(sharded, whole)
    # Lines that no client could be read of, and one that could not be read as cells, turn out to be of the second database.
    for statement in (
        MENDED,
        READABLE,
        GIVEN_A_CLIENT.format(SECOND[0], 400),
        GIVEN_A_CLIENT.format(FIRST[0], 401),
        GIVEN_A_CLIENT.format("?", 300 + len(FIRST)),  # and one of the second, of none
    ):
        execute(sharded.settings, statement)
        execute(whole, statement)
    report = reported(sharded.settings, capsys, *retry)
    assert report == reported(whole, capsys, *retry)
    assert report["loaded"] > 10
    assert report["quarantined"]["id_unreadable"] >= 1
    assert_divided(sharded, whole)
    [[second]] = sharded.rows("SELECT count(*) FROM feature_history WHERE event_id IN (400, 900)")[1]
    assert second == 2


def test_a_line_whose_place_is_taken_stays_where_it_is(sharded: Sharded, tmp_path: Path, capsys: Capture) -> None:
    assert run(sharded.settings, "load", write(tmp_path / "loans.csv", [loan(1, id="?")])) == 0
    kept = "SELECT source, line, reason, row->>'id' FROM quarantine"
    [(source, line, _, _)], _ = sharded.rows(kept)
    with psycopg.connect(sharded.owner[1]) as connection:
        connection.execute("INSERT INTO quarantine VALUES (%s, %s, 'another', '{}')", [source, line])
    execute(sharded.settings, GIVEN_A_CLIENT.format(SECOND[0], 1))
    report = reported(sharded.settings, capsys, "load", "--retry-quarantined")
    assert (report["loaded"], report["quarantined"]) == (0, {"client_of_another_database": 1})
    stays = (source, line, "client_of_another_database", str(SECOND[0]))
    assert sharded.rows(kept) == ([stays], [(source, line, "another", None)])


def test_a_move_that_was_stopped_half_way_is_ended(sharded: Sharded, tmp_path: Path, capsys: Capture) -> None:
    assert run(sharded.settings, "load", write(tmp_path / "loans.csv", [loan(1, id="?")])) == 0
    execute(sharded.settings, GIVEN_A_CLIENT.format(SECOND[0], 1))
    with psycopg.connect(sharded.owner[0]) as one, psycopg.connect(sharded.owner[1]) as other:
        copied(one, "COPY quarantine TO STDOUT", other, "COPY quarantine FROM STDIN")
    report = reported(sharded.settings, capsys, "load", "--retry-quarantined")
    assert (report["read"], report["loaded"]) == (1, 1)
    assert sharded.rows("SELECT client_id FROM feature_history") == ([], [(SECOND[0],)])
    assert sharded.rows("SELECT FROM quarantine") == ([], [])


@pytest.mark.parametrize("command", [["publish"], ["load", "x.csv", "--engine", "spark"]])
def test_what_works_on_one_database_says_so(sharded: Sharded, command: list[str], capsys: Capture) -> None:
    assert run(sharded.settings, *command) == 1
    assert "works on one database, and DB_INIT_DATABASE_URL names 2" in capsys.readouterr().err


def test_one_database_with_another_set_stops_a_load_before_it_begins(
    sharded: Sharded, tmp_path: Path, capsys: Capture
) -> None:
    loans = write(tmp_path / "loans.csv", dirty_loans(11))
    with psycopg.connect(sharded.owner[1], autocommit=True) as connection:
        connection.execute("UPDATE feature_sets SET document = replace(document::text, 'Age of', 'Years of')::json")
    for what in (loans, "--recompute"):
        assert run(sharded.settings, "load", what) == 1
        assert "different feature sets in force: apply the set again" in capsys.readouterr().err
    assert run(sharded.settings, "apply", FILE) == 0
    assert run(sharded.settings, "load", loans) == 0


def test_what_is_migrated_again_stays(sharded: Sharded) -> None:
    for shard in shards(sharded.settings):
        migrate(sharded.settings, shard)
    recorded = "SELECT number, of_databases FROM database_shard"
    assert sharded.rows(recorded) == ([(1, 2)], [(2, 2)])


def test_postgresql_computes_the_same_share(sharded: Sharded) -> None:
    dice = random.Random(7)
    clients = [
        1,
        2**31 - 2,
        2**31 - 1,
        2**31,
        2**63 - 1,
        *(dice.randrange(1, 2 ** dice.randrange(1, 64)) for _ in range(2_000)),
    ]
    with psycopg.connect(sharded.owner[0]) as connection:
        for of in (2, 3, 7):
            query = "SELECT shard_of(id, %s) FROM unnest(%s::bigint[]) WITH ORDINALITY AS c (id, n) ORDER BY n"
            found = [number for [number] in connection.execute(query, [of, clients])]
            assert found == [shard_of(client_id, of) for client_id in clients]
