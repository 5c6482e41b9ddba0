"""What each role may do, and what PostgreSQL refuses it."""

import psycopg
import pytest
from pydantic import SecretStr

from decision_log.migrate import ERASER, MONITOR, SEQUENCER, WRITER, migrate
from decisions import Log, entry

CHANGES = [
    f"{verb} {table}{rest}"
    for table, column in (("records", "record"), ("leaves", "commitment"), ("tiles", "hashes"), ("checkpoints", "note"))
    for verb, rest in (("UPDATE", f" SET {column} = {column}"), ("DELETE FROM", ""), ("TRUNCATE", " CASCADE"))
]
OTHERS = ["UPDATE outcomes SET defaulted = true", "DELETE FROM outcomes", "UPDATE erasures SET erased_by = erased_by"]
SALTS = ["SELECT salt FROM records", "SELECT * FROM records"]
OWNER = ["DROP TABLE queue", "CREATE TABLE mine (n integer)", "SET ROLE postgres", "CREATE ROLE other"]
NEW = {
    "leaves": "INSERT INTO leaves (index, commitment) VALUES (0, decode(repeat('00', 32), 'hex'))",
    "tiles": "INSERT INTO tiles (level, number, hashes) VALUES (0, 0, decode(repeat('00', 32), 'hex'))",
    "checkpoints": "INSERT INTO checkpoints (origin, size, note) VALUES ('o', 0, 'n')",
    "erasures": "INSERT INTO erasures (decision_id, erased_by) VALUES (gen_random_uuid(), gen_random_uuid())",
    "outcomes": "INSERT INTO outcomes (decision_id, observed_at, defaulted) SELECT decision_id, now(), true FROM records",
    "queue": "INSERT INTO queue (commitment) VALUES (decode(repeat('00', 32), 'hex'))",
}
REFUSED = {
    WRITER: [*CHANGES, *OTHERS, *OWNER, "DELETE FROM queue", "UPDATE queue SET commitment = commitment"]
    + [NEW[table] for table in ("leaves", "tiles", "checkpoints", "erasures")],
    SEQUENCER: [*SALTS, *OTHERS, *OWNER, "SELECT record FROM records", "SELECT decision_id FROM records"]
    + [each for each in CHANGES if each != "UPDATE tiles SET hashes = hashes"]
    + [NEW[table] for table in ("erasures", "queue")]
    + [
        "SELECT * FROM outcomes",
        "SELECT * FROM erasures",
        "DELETE FROM tiles",
        "UPDATE queue SET commitment = commitment",
    ],
    ERASER: [*SALTS, *OTHERS, *OWNER, "SELECT record FROM records", "SELECT * FROM outcomes", "DELETE FROM queue"]
    + [each for each in CHANGES if each != "DELETE FROM records"]
    + [NEW[table] for table in ("leaves", "tiles", "checkpoints", "outcomes")],
    MONITOR: [*CHANGES, *SALTS, *OTHERS, *OWNER, *NEW.values(), "DELETE FROM queue", "SELECT commitment FROM records"],
}
ALLOWED = {
    WRITER: ["SELECT * FROM records", "SELECT * FROM current_outcomes", NEW["queue"], NEW["outcomes"]],
    SEQUENCER: ["DELETE FROM queue", NEW["leaves"], NEW["tiles"], NEW["checkpoints"]],
    ERASER: ["SELECT decision_id, client_id FROM records", NEW["erasures"], "DELETE FROM records"],
    MONITOR: ["SELECT record, client_id FROM records", "SELECT * FROM outcomes", "SELECT * FROM current_outcomes"],
}


def refused(log: Log, role: str, statement: str) -> bool:
    with psycopg.connect(log.url(role), autocommit=True) as connection:
        try:
            connection.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            return True
        return False


@pytest.mark.parametrize("role", [WRITER, SEQUENCER, ERASER, MONITOR])
def test_a_role_may_do_its_work_and_nothing_else(log: Log, role: str) -> None:
    log.record(entry())
    assert [statement for statement in REFUSED[role] if not refused(log, role, statement)] == []
    assert [statement for statement in ALLOWED[role] if refused(log, role, statement)] == []


def test_migrating_again_changes_nothing_and_gives_passwords_to_their_roles(log: Log) -> None:
    def passwords() -> dict[object, object]:
        return dict(log.execute("SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE 'decision_%%'"))  # type: ignore[arg-type]

    log.record(entry())
    before = passwords()
    migrate(log.settings.model_copy(update={"monitor_password": SecretStr("made-for-a-test")}))
    after = passwords()
    assert {role for role in after if after[role] != before[role]} == {MONITOR}
    assert str(after[MONITOR]).startswith("SCRAM-SHA-256$")
    assert log.execute("SELECT count(*) FROM records") == [(1,)]
