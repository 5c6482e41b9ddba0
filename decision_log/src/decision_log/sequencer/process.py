"""The sequencer's loop: waits for its locks, works, and waits when the database is unavailable."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import psycopg

from decision_log.database import connect
from decision_log.errors import CommandFailed
from decision_log.sequencer.folder import Folder, FolderTaken
from decision_log.sequencer.sequencer import Sequencer
from decision_log.sequencer.tree_store import MOST_AT_ONCE, TreeStore
from decision_log.sequencer.witnesses import WitnessThread
from decision_log.settings import Settings, witnesses_of
from decision_log.tree.notes import Signer

_STAND_BY_SECONDS = 1.0


def sequence(settings: Settings, say: Callable[[str], None], stop: threading.Event) -> None:
    """Work until `stop` is set. If several run, one works and the others stand by. Raises CannotSign, CommandFailed."""
    folder = Folder(settings.folder())
    signer = folder.signer(settings.log_origin())
    with _our_turn(folder, say, stop), _witnesses(settings, signer, say) as witnesses:
        while not stop.is_set():
            try:
                with closing(connect(settings, application="decision_log sequencer", autocommit=True)) as connection:
                    _work(
                        connection, Sequencer(TreeStore(connection), folder, signer), settings, (witnesses, say, stop)
                    )
            except (psycopg.OperationalError, psycopg.errors.UndefinedTable, CommandFailed) as error:
                say(f"the database is unavailable or not set up ({type(error).__name__}): trying again")
                stop.wait(_STAND_BY_SECONDS)


_Context = tuple[list[WitnessThread], Callable[[str], None], threading.Event]


def _work(connection: psycopg.Connection, sequencer: Sequencer, settings: Settings, context: _Context) -> None:
    witnesses, say, stop = context
    store = TreeStore(connection)
    waits = False
    while not stop.is_set() and not store.lock():
        if not waits:
            say("another sequencer works on this database: standing by")
        waits = True
        stop.wait(_STAND_BY_SECONDS)
    if not stop.is_set():
        sequencer.recover()
        say(f"sequencing; the tree has {store.size()} entries")
    for witness in witnesses:
        witness.tell()
    while not stop.is_set():
        began = time.monotonic()
        taken = sequencer.step()
        if taken:
            for witness in witnesses:
                witness.tell()
        stop.wait(pause(taken, time.monotonic() - began, settings.interval_seconds))


def pause(taken: int, took: float, interval: float) -> float:
    """Seconds until the next step, after a step that took `taken` entries in `took` seconds.

    The next step follows at once only after a full one, because then more entries certainly wait. Entries that came
    during the step wait for the interval, so that a busy log is not signed all the time.
    """
    return 0.0 if taken == MOST_AT_ONCE else max(0.0, interval - took)


@contextmanager
def _our_turn(folder: Folder, say: Callable[[str], None], stop: threading.Event) -> Iterator[None]:
    """Hold the lock of the folder; stand by while another process holds it."""
    waits = False
    while not stop.is_set():
        try:
            with folder.locked():
                yield
                return
        except FolderTaken:
            if not waits:
                say("another sequencer uses this folder: standing by")
            waits = True
            stop.wait(_STAND_BY_SECONDS)
    yield


@contextmanager
def _witnesses(settings: Settings, signer: Signer, say: Callable[[str], None]) -> Iterator[list[WitnessThread]]:
    def connection() -> psycopg.Connection:
        return connect(settings, application="decision_log witness", autocommit=True)

    threads = [
        WitnessThread(address, signer.verifier.name, connection, say) for address in witnesses_of(settings.witnesses)
    ]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stop()
