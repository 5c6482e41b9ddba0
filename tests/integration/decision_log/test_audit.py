"""Each way to change the database is named, and a proof fetched before still verifies."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from decision_log import Erased
from decision_log.__main__ import main
from decision_log.commands.report import Report
from decision_log.tree.notes import COSIGNATURE, Signer, split
from decisions import Log, entry, old, review


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE records SET record = set_byte(record, 9, get_byte(record, 9) # 1) WHERE decision_id = %(id)s", "{id} (index 7) was changed"),
        ("UPDATE records SET score = 1 WHERE decision_id = %(id)s", "{id} (index 7) is listed with another score"),
        ("DELETE FROM records WHERE decision_id = %(id)s", "record at index 7 is missing"),
        ("UPDATE records SET decided_at = 'infinity' WHERE decision_id = %(id)s", "{id} (index 7) is listed with another decided_at"),
        ("UPDATE records SET decided_at = '0044-03-15 BC' WHERE decision_id = %(id)s", "{id} (index 7) is listed with another decided_at"),
        ("DELETE FROM leaves WHERE index = 7", "Entry 7 of the log is missing"),
        ("UPDATE tiles SET hashes = set_byte(hashes, 9, get_byte(hashes, 9) # 1) WHERE level = 0", "tile/0/000 is not the tile"),
        ("DELETE FROM tiles WHERE level = 1", "tile/1/000 is missing"),
        ("UPDATE checkpoints SET note = replace(note, '300', '301') WHERE size = 300", "checkpoint of 300 entries is wrong"),
        ("INSERT INTO erasures VALUES (%(id)s, %(id)s); DELETE FROM records WHERE decision_id = %(id)s", "index 7 is missing"),
        (
            "UPDATE records SET (record, salt, commitment) = (SELECT record, salt, commitment FROM records WHERE decision_id = %(other)s)"
            " WHERE decision_id = %(id)s",
            "another decision_id",
        ),
        (
            "UPDATE leaves SET index = -index - 1 + 15 WHERE false; ALTER TABLE leaves DROP CONSTRAINT leaves_pkey;"
            " UPDATE leaves SET index = 15 - index WHERE index IN (7, 8)",
            "Entry 7 of the log is not the one that was committed",
        ),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(log: Log, tmp_path: Path, sql: str, words: str) -> None:
    made = [entry() for _ in range(300)]
    log.sequenced(*made)
    assert log.audit().wrong == []
    proof, record = tmp_path / "p.tlog-proof", tmp_path / "record"
    proof.write_text(str(log.proof(made[7])))
    record.write_bytes(made[7].record)
    changed, other = str(made[7].listed.decision_id), str(made[8].listed.decision_id)
    for statement in sql.split(";"):
        log.execute(statement.replace("%(id)s", f"'{changed}'").replace("%(other)s", f"'{other}'"))
    report = log.audit()
    assert any(words.format(id=changed) in sentence for _, sentence in report.wrong), report.wrong
    assert main(["verify", "--record", str(record), "--proof", str(proof), "--key", str(log.vkey)]) == 0
    record.write_bytes(made[7].record + b" ")
    assert main(["verify", "--record", str(record), "--proof", str(proof), "--key", str(log.vkey)]) == 1


def test_a_record_that_was_added_is_named(log: Log) -> None:
    log.sequenced(entry())
    added = entry()
    log.record(added)
    assert log.audit().wrong == []  # queued
    log.execute("DELETE FROM queue")
    assert log.audit().first == f"Record {added.listed.decision_id} was added: it is neither in the log nor queued."


def test_a_rewritten_log_does_not_extend_a_checkpoint_that_was_kept_outside(log: Log) -> None:
    log.sequenced(entry(), entry())
    kept = log.folder.last() or ""
    log.sequenced(entry())
    assert log.audit(kept).wrong == []
    log.execute("DELETE FROM records")
    log.execute("DELETE FROM leaves")
    log.execute("DELETE FROM tiles")
    log.execute("DELETE FROM checkpoints")
    log.folder.last_signed.unlink()
    log.sequenced(entry(), entry(), entry())
    assert log.audit().wrong == []
    assert log.audit(kept).first == "The entries below 2 are not those that the checkpoint was signed for."


def test_what_is_erased_is_explained_by_its_erasure(log: Log) -> None:
    first, young = old(), entry()
    log.sequenced(first, young)
    log.sequenced(review(first), old(client_id=6))
    before = datetime.now(UTC) - timedelta(days=700)
    done = log.asked(lambda opened: opened.erasure.of_client(5, before, "key"))  # type: ignore[union-attr]
    assert (done.erased, done.remaining) == (2, 1)
    assert done.newest == young.listed.decided_at
    log.sequenced()
    report = log.audit()
    assert (report.wrong, report.erased, report.records) == ([], 2, 3)
    assert isinstance(log.asked(lambda opened: opened.records.get(first.listed.decision_id)), Erased)
    assert isinstance(log.proof(first), Erased)
    again = log.asked(lambda opened: opened.erasure.of_client(5, before, "key"))  # type: ignore[union-attr]
    assert again.erased == 0


def test_an_erasure_that_the_log_does_not_know_explains_nothing(log: Log) -> None:
    gone, kept = old(), entry()
    log.sequenced(gone, kept)
    before = datetime.now(UTC) - timedelta(days=700)
    log.asked(lambda opened: opened.erasure.of_client(5, before, "key"))  # type: ignore[union-attr]
    assert log.audit().wrong == []
    log.execute("DELETE FROM queue")
    sentences = [sentence for _, sentence in sorted(log.audit().wrong)]
    assert sentences[0] == "The record at index 0 is missing, and no erasure names it."
    assert "was added" in sentences[1]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM erasures", "names record {id}, which is not listed as erased by it"),
        ("UPDATE erasures SET decision_id = gen_random_uuid()", "names record {id}, which is not listed as erased by it"),
        ("UPDATE erasures SET erased_by = '{other}'", "1 record(s) are listed as erased that no erasure names so, such as {id}."),
        ("INSERT INTO erasures VALUES ('{other}', '{other}')", "that no erasure names so, such as {other}."),
        ("INSERT INTO erasures SELECT '{other}', erased_by FROM erasures", "1 record(s) are listed as erased that no erasure names so."),
    ],
)  # fmt: skip
@pytest.mark.parametrize("sequenced", [True, False])
def test_the_table_of_what_is_erased_says_what_the_log_says(log: Log, sql: str, words: str, sequenced: bool) -> None:
    gone, kept = old(), entry()
    log.sequenced(gone, kept)
    log.asked(lambda opened: opened.erasure.of_client(5, datetime.now(UTC) - timedelta(days=700), "key"))  # type: ignore[union-attr]
    if sequenced:
        log.sequenced()
    assert log.audit().wrong == []
    ids = {"id": str(gone.listed.decision_id), "other": str(kept.listed.decision_id)}
    log.execute(sql.format(**ids))
    assert any(words.format(**ids) in sentence for _, sentence in log.audit().wrong)


def test_a_checkpoint_that_is_listed_with_another_origin_is_named(log: Log) -> None:
    log.sequenced(entry())
    log.sequenced(entry())
    log.execute("UPDATE checkpoints SET origin = 'elsewhere' WHERE size = 2")
    assert log.audit().first == "The checkpoint of 2 entries is listed with another origin: elsewhere."


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("UPDATE cosignatures SET line = 'garbage'", "A cosignature of the checkpoint of 2 entries is wrong: not a signed note."),
        ("UPDATE cosignatures SET line = (SELECT note FROM checkpoints WHERE size = 1)", "A cosignature of the checkpoint of 2 entries is wrong: the signature of localhost/decisions does not verify."),
        ("UPDATE cosignatures SET line = %(other)s", "A cosignature of the checkpoint of 2 entries is wrong: the signature of witness.example/w does not verify."),
        ("UPDATE checkpoints SET id = id + 9 WHERE size = 1", "The checkpoint of 1 entries is listed behind one of 2."),
    ],
)  # fmt: skip
def test_checkpoints_are_checked_as_they_are_served(log: Log, sql: str, words: str) -> None:
    log.sequenced(entry())
    log.sequenced(entry())
    witness = Signer.generated("witness.example/w", COSIGNATURE)
    text, _ = split(log.folder.last() or "")
    log.execute(f"INSERT INTO cosignatures SELECT max(id), 'w', '{witness.line(text)}' FROM checkpoints")
    assert log.audit(witnesses=[witness.verifier]).wrong == []
    log.execute("ALTER TABLE checkpoints ALTER id SET GENERATED BY DEFAULT")
    log.execute(sql.replace("%(other)s", f"'{witness.line(text.upper())}'"))
    assert log.audit(witnesses=[witness.verifier]).first == words


def test_a_log_that_was_set_back_does_not_extend_what_was_signed_last(log: Log) -> None:
    log.sequenced(entry())
    log.execute("CREATE TABLE earlier AS SELECT * FROM tiles")
    log.sequenced(entry())
    log.execute("DELETE FROM records WHERE commitment = (SELECT commitment FROM leaves WHERE index = 1)")
    log.execute("DELETE FROM leaves WHERE index = 1")
    log.execute("DELETE FROM checkpoints WHERE size = 2")
    log.execute("UPDATE tiles SET hashes = earlier.hashes FROM earlier")
    assert log.audit().wrong == []
    assert log.audit(log.folder.last() or "").first == "A checkpoint covers 2 entries, and the log has 1."


def test_findings_are_counted_and_the_first_are_kept() -> None:
    report = Report()
    for place in reversed(range(5_000)):
        report.found(place, f"number {place}")
    assert (report.findings, report.first) == (5_000, "number 0")
    assert sorted(report.wrong)[:1_000] == [(place, f"number {place}") for place in range(1_000)]
