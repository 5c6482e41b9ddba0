"""The sequencer: what it publishes, what it survives, and what it refuses to sign."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from decision_log import DecisionLog, NotSequenced
from decision_log.errors import CannotSign
from decision_log.sequencer.folder import Folder, FolderTaken
from decision_log.sequencer.sequencer import Sequencer
from decision_log.sequencer.tree_store import TreeStore
from decision_log.tree import checkpoints, tlog_proof
from decision_log.tree.checkpoints import Checkpoint
from decision_log.tree.hashes import leaf_hash
from decision_log.tree.notes import Signer
from decisions import ORIGIN, Log, entry


def sizes(log: Log) -> list[object]:
    return [size for (size,) in log.execute("SELECT size FROM checkpoints ORDER BY id")]


def test_the_first_start_publishes_the_empty_tree(log: Log) -> None:
    assert log.sequenced() == 0
    assert sizes(log) == [0]
    assert log.asked(lambda opened: opened.tree.checkpoint()) == log.folder.last()


def test_what_is_queued_is_in_the_next_checkpoint_and_provable(log: Log) -> None:
    made = [entry() for _ in range(300)]
    log.record(*made)
    assert log.proof(made[0]) == NotSequenced()
    assert log.sequenced() == 300
    assert sizes(log) == [0, 300]
    for each in (made[0], made[255], made[256], made[299]):
        proof = tlog_proof.parsed(str(log.proof(each)))
        assert tlog_proof.verified(proof, each.commitment, log.vkey).size == 300
    assert log.audit().wrong == []


def test_the_tree_is_served_as_tiles(log: Log) -> None:
    made = [entry() for _ in range(300)]
    log.sequenced(*made)

    async def work(opened: DecisionLog) -> dict[str, bytes | None]:
        paths = ["tile/0/000", "tile/0/001.p/44", "tile/0/001.p/45", "tile/0/001", "tile/1/000.p/1", "tile/2/000.p/1"]
        paths += [
            "tile/entries/000",
            "tile/entries/001.p/44",
            "tile/entries/001",
            "tile/0/000.p/7",
            "tile/0/0",
            "other",
        ]
        found = {path: await opened.tree.resource(path) for path in paths}
        return {path: resource.body if resource else None for path, resource in found.items()}

    served = log.asked(work)
    leaves = b"".join(leaf_hash(each.commitment) for each in made)
    assert served["tile/0/000"] == leaves[: 256 * 32]
    assert served["tile/0/001.p/44"] == leaves[256 * 32 :]
    assert served["tile/0/000.p/7"] == leaves[: 7 * 32]
    assert served["tile/entries/001.p/44"] == b"".join(b"\x00\x20" + each.commitment for each in made[256:])
    assert {path for path, body in served.items() if body is None} == {
        "tile/0/001.p/45", "tile/0/001", "tile/2/000.p/1", "tile/entries/001", "tile/0/0", "other",
    }  # fmt: skip


def test_a_crash_after_each_step_loses_nothing_and_signs_no_fork(log: Log) -> None:
    log.sequenced(entry())
    log.record(entry(), entry())
    with log.connection() as connection:
        TreeStore(connection).integrate()  # and dies before it signs
    assert log.sequenced() == 0
    assert sizes(log) == [0, 1, 3]
    log.record(entry())
    with log.connection() as connection:
        store = TreeStore(connection)
        sequencer = log.sequencer(connection)
        store.integrate()
        [root] = store.hashes([(0, 4)])
        sequencer.sign(Checkpoint(ORIGIN, 4, root))  # and dies before it publishes
    assert sizes(log) == [0, 1, 3]
    assert log.sequenced(entry()) == 1
    assert sizes(log) == [0, 1, 3, 4, 5]
    assert log.audit().wrong == []


def test_a_transaction_that_ends_late_is_taken_later(log: Log) -> None:
    late, early = entry(), entry()
    with log.connection() as other:
        with psycopg.connect(log.url()) as owner:
            owner.execute("INSERT INTO queue (commitment) VALUES (%s)", [late.commitment])
            assert log.sequenced(early) == 1
        assert log.sequencer(other).step() == 1
    assert log.execute("SELECT commitment FROM leaves ORDER BY index") == [(early.commitment,), (late.commitment,)]


def test_a_commitment_that_is_queued_twice_is_in_the_log_once(log: Log) -> None:
    made = entry()
    log.sequenced(made)
    log.execute("INSERT INTO queue (commitment) VALUES (%s), (%s)", made.commitment, made.commitment)
    fresh = [entry() for _ in range(3)]
    log.record(*fresh)
    log.execute("INSERT INTO queue (commitment) VALUES (%s)", fresh[0].commitment)
    assert log.sequenced() == 3
    assert log.execute("SELECT commitment FROM leaves ORDER BY index") == [
        (each.commitment,) for each in (made, *fresh)
    ]
    assert log.execute("SELECT count(*) FROM queue") == [(0,)]


def refuses(log: Log, words: str) -> None:
    before = (sizes(log), log.folder.last())
    log.record(entry())
    with log.connection() as connection, pytest.raises(CannotSign, match=words):
        log.sequencer(connection).step()
    assert (sizes(log), log.folder.last()) == before


def test_a_database_from_an_older_backup_is_not_signed_and_a_new_origin_is_the_way_on(log: Log) -> None:
    log.sequenced(*(entry() for _ in range(3)))
    log.execute("DELETE FROM leaves WHERE index = 2")
    log.execute("DELETE FROM checkpoints WHERE size = 3")
    log.execute("UPDATE tiles SET hashes = substring(hashes, 1, 64)")
    refuses(log, "restored from an older backup")
    log.folder.make_key("localhost/second")
    with log.connection() as connection:
        assert Sequencer(TreeStore(connection), log.folder, log.folder.signer("localhost/second")).step() == 1
    assert sizes(log) == [0, 0, 2, 3]


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM tiles", "tile/0/000 is missing"),
        ("UPDATE tiles SET hashes = set_byte(hashes, 40, get_byte(hashes, 40) # 1)", "not an extension"),
        ("INSERT INTO checkpoints (origin, size, note) VALUES ('localhost/decisions', 99, 'n')", "a checkpoint of 99"),
    ],
)
def test_a_damaged_tree_is_not_signed(log: Log, sql: str, words: str) -> None:
    log.sequenced(entry(), entry(), entry())
    log.execute(sql)
    refuses(log, words)


def test_a_folder_without_what_was_signed_last_is_refused(log: Log) -> None:
    log.sequenced(entry())
    kept = log.folder.last_signed.read_text()
    log.folder.last_signed.unlink()
    refuses(log, "does not hold what was signed last")
    log.folder.keep(kept)
    assert log.sequenced() == 1


def test_the_key_must_be_private_there_and_the_right_one(log: Log) -> None:
    log.sequenced(entry())
    log.folder.key.chmod(0o640)
    refuses(log, "can be read by others")
    log.folder.key.write_text(Signer.generated(ORIGIN).secret)
    log.folder.key.chmod(0o600)
    refuses(log, "does not verify with the key")
    log.folder.key.write_text("nonsense")
    refuses(log, "is damaged")
    log.folder.key.write_text(Signer.generated("other").secret)
    refuses(log, "is that of the log other")
    log.folder.key.unlink()
    refuses(log, "make one with")
    with pytest.raises(CannotSign, match="not the key that signed it"):
        log.folder.make_key(ORIGIN)


def test_a_folder_and_a_database_have_one_sequencer(log: Log) -> None:
    with log.folder.locked(), pytest.raises(FolderTaken), Folder(log.folder.path).locked():
        pass
    with log.connection() as first, log.connection() as second:
        assert TreeStore(first).lock()
        assert not TreeStore(second).lock()


class Process:
    """A sequencer of its own; what it says is in a file."""

    def __init__(self, log: Log, said: Path) -> None:
        self.said = said
        environment = os.environ | {
            "DECISION_LOG_DATABASE_URL": log.url("decision_sequencer"),
            "DECISION_LOG_DIR": str(log.folder.path),
            "DECISION_LOG_INTERVAL_SECONDS": "0.02",
        }
        command = [sys.executable, "-m", "decision_log", "sequence"]
        with said.open("wb") as out:
            self.popen = subprocess.Popen(command, env=environment, stderr=out)

    def says(self, words: str) -> bool:
        return words in self.said.read_text()


def eventually(condition: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@contextmanager
def recording(log: Log) -> Iterator[list[int]]:
    """Records in a thread until the end of the block; the list holds the number of entries of each call."""
    stop, calls = threading.Event(), list[int]()

    async def work(opened: DecisionLog) -> None:
        while not stop.is_set():
            await opened.recorder.record([entry(), entry()])
            calls.append(2)

    thread = threading.Thread(target=lambda: log.asked(work))
    thread.start()
    try:
        yield calls
    finally:
        stop.set()
        thread.join()


def test_two_sequencers_that_are_killed_under_load_lose_nothing(log: Log, tmp_path: Path) -> None:
    running = [Process(log, tmp_path / f"said-{number}") for number in range(2)]
    try:
        with recording(log) as calls:
            for kill in range(10):
                eventually(lambda: any(each.says("sequencing;") for each in running))
                known = len(sizes(log))
                eventually(lambda known=known: len(sizes(log)) > known + 1)  # type: ignore[misc]
                working = next(each for each in running if each.says("sequencing;"))
                working.popen.kill()
                working.popen.wait()
                running.remove(working)
                running.append(Process(log, tmp_path / f"said-again-{kill}"))
        eventually(lambda: not log.execute("SELECT 1 FROM queue LIMIT 1"))
        eventually(lambda: all(each.says("sequencing;") or each.says("standing by") for each in running))
        for each in running:
            each.popen.terminate()
        assert [each.popen.wait(20) for each in running] == [0, 0]
    finally:
        for each in running:
            each.popen.kill()
            each.popen.wait()
    log.sequenced()
    report, recorded = log.audit(), sum(calls)
    assert report.wrong == []
    assert (report.records, report.entries, report.covered) == (recorded, recorded, recorded)
    assert sizes(log) == sorted(set(sizes(log)))  # type: ignore[type-var]
    assert len(sizes(log)) > 20
    assert checkpoints.verified(log.folder.last() or "", log.vkey).size == recorded
