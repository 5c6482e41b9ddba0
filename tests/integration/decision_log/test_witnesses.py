"""Witnesses over HTTP: one that cosigns, some that do not, and one that never answers."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from decision_log.sequencer.process import sequence
from decision_log.tree import checkpoints, proofs
from decision_log.tree.notes import COSIGNATURE, Signer, decoded, opened, split
from decisions import Log, entry

Answer = tuple[int, str]
SIGNER = Signer.generated("witness.example/w1", COSIGNATURE)
NAMED = f"{SIGNER.verifier}"


class Double:
    """A witness that keeps the rules of c2sp.org/tlog-witness: `tree` is what it has cosigned."""

    def __init__(self, log: Log, tree: tuple[int, bytes] = (0, b"")) -> None:
        self.log, self.tree = log, tree
        self.asked: list[int] = []

    def __call__(self, path: str, body: str) -> Answer:
        head, _, note = body.partition("\n\n")
        old, *path_lines = head.split("\n")
        text = opened(note, [self.log.vkey])
        checkpoint = checkpoints.parsed(text)
        size = int(old.removeprefix("old "))
        self.asked.append(size)
        if path != "/w/add-checkpoint" or size > checkpoint.size:
            return 400, ""
        if size != self.tree[0]:
            return 409, f"{self.tree[0]}\n"
        consistency = [decoded(line) for line in path_lines]
        if size and not proofs.extends(self.tree, checkpoint.tree, consistency):
            return 422, ""
        self.tree = checkpoint.tree
        return 200, SIGNER.line(text)


@contextmanager
def witness(answer: Callable[[str, str], Answer]) -> Iterator[str]:
    """Its setting: URL and verifier key."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, body = answer(self.path, self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/w {NAMED}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def sequencing(log: Log, witnesses: str) -> Iterator[list[str]]:
    """A sequencer that works during the block; the list holds what it says."""
    said, stop = list[str](), threading.Event()
    settings = log.settings.model_copy(update={"witnesses": witnesses, "interval_seconds": 0.02})
    thread = threading.Thread(target=sequence, args=(settings, said.append, stop))
    thread.start()
    try:
        yield said
    finally:
        stop.set()
        thread.join()


def eventually(condition: Callable[[], object], seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def cosigned(log: Log) -> list[object]:
    sql = "SELECT c.size FROM checkpoints AS c JOIN cosignatures ON checkpoint = c.id ORDER BY size"
    return [size for (size,) in log.execute(sql)]


def test_a_witness_cosigns_each_tree_as_an_extension_of_the_last(log: Log) -> None:
    double = Double(log)
    with witness(double) as setting, sequencing(log, setting) as said:
        eventually(lambda: 0 in cosigned(log))
        for size in (3, 6):
            log.record(*(entry() for _ in range(3)))
            eventually(lambda size=size: size in cosigned(log))  # type: ignore[misc]
    assert said == [said[0]]  # "sequencing"
    note = log.asked(lambda opened_log: opened_log.tree.checkpoint()) or ""
    assert checkpoints.verified(note, log.vkey, [SIGNER.verifier]).size == 6
    assert double.asked == [0, 0, 3]


def test_a_proof_carries_the_cosigned_checkpoint(log: Log) -> None:
    made = entry()
    with witness(Double(log)) as setting, sequencing(log, setting):
        log.record(made)
        eventually(lambda: 1 in cosigned(log))
    proof = str(log.proof(made))
    assert SIGNER.verifier.name in split(proof)[1]


def test_a_409_is_answered_with_the_consistency_from_the_size_that_the_witness_knows(log: Log) -> None:
    log.sequenced(entry(), entry())
    known = checkpoints.verified(log.folder.last() or "", log.vkey)
    log.sequenced(entry(), entry(), entry())
    double = Double(log, known.tree)
    with witness(double) as setting, sequencing(log, setting):
        eventually(lambda: 5 in cosigned(log))
    assert double.asked == [0, 2]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, "no signature line\n"), "does not consist of signature lines"),
        ((200, Signer.generated("witness.example/w1", COSIGNATURE).line("other\n")), "does not verify"),
        ((200, ""), "does not verify"),
        ((200, "x" * 70_000), "too long"),
        ((409, "many"), "409 without a size"),
        ((409, "99\n"), "a tree of 99 entries, and this log has 2"),
        ((409, "1\n"), "it answered 409"),
        ((403, ""), "it answered 403"),
        ((500, ""), "it answered 500"),
    ],
)
def test_what_is_no_cosignature_is_named_and_not_stored(log: Log, answer: Answer, words: str) -> None:
    log.sequenced(entry(), entry())
    with witness(lambda *_: answer) as setting, sequencing(log, setting) as said:
        eventually(lambda: any(words in line for line in said))
        log.record(entry())
        eventually(lambda: log.execute("SELECT 1 FROM checkpoints WHERE size = 3"))
    assert cosigned(log) == []


def test_a_witness_that_never_answers_delays_nothing(log: Log) -> None:
    released, asked = threading.Event(), threading.Event()

    def never(*_: str) -> Answer:
        asked.set()
        released.wait(20)
        return 200, ""

    double = Double(log)
    with witness(never) as silent, witness(double) as setting:
        try:
            with sequencing(log, f"{silent},{setting}"):
                assert asked.wait(20)
                began = time.monotonic()
                for size in range(1, 4):
                    log.record(entry())
                    eventually(lambda size=size: log.execute(f"SELECT 1 FROM checkpoints WHERE size = {size}"))  # type: ignore[misc]
                took = time.monotonic() - began
        finally:
            released.set()
    assert took < 4.5  # the witness's patience is 5 seconds for each checkpoint


def test_a_witness_that_is_away_is_named_and_tried_again(log: Log) -> None:
    with witness(Double(log)) as setting:
        pass
    with sequencing(log, setting) as said:
        eventually(lambda: any("cannot be reached (ConnectError)" in line for line in said))
        log.record(entry())
        eventually(lambda: log.execute("SELECT 1 FROM checkpoints WHERE size = 1"))
    assert cosigned(log) == []
