"""Witnesses (c2sp.org/tlog-witness) cosign checkpoints. Each has its own thread, so that it delays nothing else."""

import threading
from collections.abc import Callable
from contextlib import closing

import httpx
import psycopg

from decision_log.errors import DecisionLogError
from decision_log.sequencer.tree_store import Published, TreeStore
from decision_log.tree import proofs
from decision_log.tree.checkpoints import parsed
from decision_log.tree.notes import NoteRefused, Verifier, encoded, split, valid_lines

_SECONDS = 5.0
_LONGEST_ANSWER = 64_000
_REST_SECONDS = 5.0
_MOST_DIGITS = 18


class WitnessFailed(Exception):
    """The witness did not cosign. The message is the reason."""


class Witness:
    """The client of one witness. It remembers the size of the tree that the witness cosigned last."""

    def __init__(self, url: str, verifier: Verifier, client: httpx.Client) -> None:
        self.verifier = verifier
        self._url = f"{url}/add-checkpoint"
        self._client = client
        self._cosigned = 0

    def ask(self, note: str, store: TreeStore) -> str:
        """Ask the witness to cosign the checkpoint, and return its signature line. Raises WitnessFailed."""
        text, _ = split(note)
        size = parsed(text).size
        self._cosigned = min(self._cosigned, size)
        status, answer = self._post(note, size, store)
        if status == 409:
            known = answer.strip()
            if not known.isascii() or not known.isdecimal() or len(known) > _MOST_DIGITS:
                raise WitnessFailed("it answered 409 without a size")
            if int(known) > size:
                raise WitnessFailed(f"it has cosigned a tree of {known} entries, and this log has {size}")
            self._cosigned = int(known)
            status, answer = self._post(note, size, store)
        if status != 200:
            raise WitnessFailed(f"it answered {status}")
        try:
            lines = valid_lines(text, answer, self.verifier)
        except NoteRefused as error:
            raise WitnessFailed("its answer does not consist of signature lines") from error
        if not lines:
            raise WitnessFailed("its cosignature does not verify")
        self._cosigned = size
        return lines[0]

    def _post(self, note: str, size: int, store: TreeStore) -> tuple[int, str]:
        path = "".join(f"{encoded(each)}\n" for each in store.hashes(proofs.consistency(self._cosigned, size)))
        body = f"old {self._cosigned}\n{path}\n{note}"
        try:
            with self._client.stream("POST", self._url, content=body.encode()) as answer:
                content = b""
                for chunk in answer.iter_raw():
                    content += chunk
                    if len(content) > _LONGEST_ANSWER:
                        raise WitnessFailed("its answer is too long")
                return answer.status_code, content.decode()
        except httpx.HTTPError as error:
            raise WitnessFailed(f"it cannot be reached ({type(error).__name__})") from error
        except UnicodeDecodeError as error:
            raise WitnessFailed("its answer is not text") from error


class WitnessThread(threading.Thread):
    """Submits the newest checkpoint to one witness after each change, on its own database connection."""

    def __init__(
        self,
        address: tuple[str, Verifier],
        origin: str,
        connect: Callable[[], psycopg.Connection],
        say: Callable[[str], None],
    ) -> None:
        super().__init__(daemon=True, name=f"witness {address[1].name}")
        self._address = address
        self._origin = origin
        self._connect = connect
        self._say = say
        self._news = threading.Event()
        self._stop = threading.Event()

    def tell(self) -> None:
        self._news.set()

    def stop(self) -> None:
        self._stop.set()
        self._news.set()

    def run(self) -> None:
        url, verifier = self._address
        with httpx.Client(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client:
            witness = Witness(url, verifier, client)
            done = -1
            while not self._stop.is_set():
                self._news.wait()
                self._news.clear()
                done = self._turn(witness, done)

    def _turn(self, witness: Witness, done: int) -> int:
        """Submit the newest checkpoint unless its id is `done`. Return the id of the newest cosigned checkpoint."""
        try:
            with closing(self._connect()) as connection:
                store = TreeStore(connection)
                newest: Published | None = store.published(self._origin)
                if newest is None or newest.id == done:
                    return done
                line = witness.ask(newest.note, store)
                store.cosigned(newest.id, witness.verifier.name, line)
                return newest.id
        except (WitnessFailed, DecisionLogError, psycopg.Error) as error:
            reason = type(error).__name__ if isinstance(error, psycopg.Error) else str(error)
            self._say(f"witness {witness.verifier.name}: {reason}")
            self._stop.wait(_REST_SECONDS)
            self._news.set()
            return done
