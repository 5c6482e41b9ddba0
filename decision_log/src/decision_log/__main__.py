"""The commands of the decision log: `python -m decision_log COMMAND`."""

import argparse
import asyncio
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

# The imports take seconds: an interruption during them ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import psycopg
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from decision_log.commands.parser import parser
from decision_log.database import connect
from decision_log.errors import CommandFailed, DecisionLogError, LogUnavailable
from decision_log.settings import PREFIX, Settings, witnesses_of
from decision_log.store.erasure import Erasure
from decision_log.store.log_tree import LogTree, NotSequenced
from decision_log.store.outcomes import Outcomes
from decision_log.store.postgres import Database, Source, open_database
from decision_log.store.records import Erased
from decision_log.tree.notes import NoteRefused, Verifier
from decision_log.tree.tiles import TileMissing

if TYPE_CHECKING:
    from decision_log.sequencer.folder import Folder

Arguments = argparse.Namespace
_PATIENCE_SECONDS = 60.0
_SHOWN = 10


def say(line: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {line}", file=sys.stderr, flush=True)


class _Bar:
    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def total(self, rows: int) -> None:
        self._bars.update(self._task, total=rows)

    def advance(self, rows: int) -> None:
        self._bars.advance(self._task, rows)


@contextmanager
def _progress(what: str, total: int | None = None) -> Iterator[_Bar]:
    """Show a progress bar on a terminal; show nothing elsewhere."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        yield _Bar(bars, bars.add_task(what, total=total))


def _asked(settings: Settings, work: Callable[[Database], Awaitable[int]]) -> int:
    async def run() -> int:
        source = Source(settings.url(), settings.password(), _PATIENCE_SECONDS)
        async with open_database(source, 1) as database:
            return await work(database)

    return asyncio.run(run())


def migrate(_: Arguments, settings: Settings) -> int:
    from decision_log.migrate import migrate as bring_up_to_date  # noqa: PLC0415 -- Alembic takes a third of a second

    bring_up_to_date(settings)
    print("the schema is up to date")
    return 0


def sequence(_: Arguments, settings: Settings) -> int:
    from decision_log.sequencer.process import sequence as work  # noqa: PLC0415

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    work(settings, say, stop)
    return 0


def new_key(_: Arguments, settings: Settings) -> int:
    print(_folder(settings).make_key(settings.log_origin()))
    return 0


def key(_: Arguments, settings: Settings) -> int:
    print(_verifier(settings, None))
    return 0


def _folder(settings: Settings) -> "Folder":
    from decision_log.sequencer.folder import Folder  # noqa: PLC0415

    return Folder(settings.folder())


def _verifier(settings: Settings, given: str | None) -> Verifier:
    return Verifier.parsed(given) if given else _folder(settings).verifier()


def checkpoint(_: Arguments, settings: Settings) -> int:
    async def work(database: Database) -> int:
        note = await LogTree(database).checkpoint()
        if note is None:
            raise CommandFailed("The log has no checkpoint yet: run `python -m decision_log sequence`.")
        print(note, end="")
        return 0

    return _asked(settings, work)


def proof(arguments: Arguments, settings: Settings) -> int:
    async def work(database: Database) -> int:
        found = await LogTree(database).proof(arguments.decision_id)
        if isinstance(found, NotSequenced):
            raise CommandFailed("No checkpoint covers this record yet: try again in a second.")
        if isinstance(found, Erased):
            raise CommandFailed(f"This record is erased; the record {found.by} says so.")
        if found is None:
            raise CommandFailed("There is no such record.")
        print(found, end="")
        return 0

    return _asked(settings, work)


def verify(arguments: Arguments) -> int:
    from decision_log.commands.verify import verify as prove  # noqa: PLC0415

    print(prove(arguments.record, arguments.proof, arguments.key, arguments.witness))
    return 0


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{file} is not text: it is no checkpoint.") from error


def audit(arguments: Arguments, settings: Settings) -> int:
    from decision_log.commands.audit import Audit  # noqa: PLC0415

    verifier = _verifier(settings, arguments.key)
    kept = [_text(file) for file in arguments.checkpoint]
    if not arguments.key and (last := _folder(settings).last()):
        kept.append(last)  # read it before the database, which may grow in the meantime
    witnesses = [witness for _, witness in witnesses_of(settings.witnesses)]
    with connect(settings) as connection, _progress("checking") as progress:
        checking = Audit(connection, verifier, progress.advance)
        progress.total(checking.total())
        report = checking.run(kept, witnesses)
    for _, sentence in sorted(report.wrong)[:_SHOWN]:
        print(sentence)
    if report.wrong:
        print(f"The log is not whole: {report.findings:,} findings; the first is above.")
        return 1
    print(
        f"The log is whole: {report.entries:,} entries, {report.covered:,} of them in the last checkpoint; "
        f"{report.records:,} records, {report.queued:,} of them queued, {report.erased:,} erased."
    )
    return 0


def import_outcomes(arguments: Arguments, settings: Settings) -> int:
    from decision_log.commands import outcomes_file  # noqa: PLC0415

    async def work(database: Database) -> int:
        with _progress("outcomes", sum(1 for _ in outcomes_file.parsed(arguments.file))) as bar:
            done = await outcomes_file.import_outcomes(arguments.file, Outcomes(database), bar.advance)
        print(
            f"{done.lines:,} lines: {done.accepted:,} accepted, {done.unchanged:,} unchanged, {len(done.refused):,} refused"
        )
        for line, reason in done.refused[:_SHOWN]:
            print(f"line {line}: {reason}")
        return 1 if done.refused else 0

    return _asked(settings, work)


def expire(_: Arguments, settings: Settings) -> int:
    async def work(database: Database) -> int:
        sql = "SELECT now() - make_interval(months => $1)"
        [[older_than]] = await database.fetch(None, sql, settings.retention_months)
        erased = 0
        with _progress("erasing") as bar:
            while count := await Erasure(database).some(older_than, None):
                erased += count
                bar.advance(count)
        print(f"{erased:,} records from before {older_than:%Y-%m-%d} are erased")
        return 0

    return _asked(settings, work)


def export(arguments: Arguments, settings: Settings) -> int:
    from decision_log.commands.export import export as write  # noqa: PLC0415

    with connect(settings) as connection:
        print(f"the tree of {write(connection, arguments.folder):,} entries is in {arguments.folder}")
    return 0


COMMANDS: dict[str, Callable[[Arguments, Settings], int]] = {
    "migrate": migrate,
    "sequence": sequence,
    "new-key": new_key,
    "key": key,
    "checkpoint": checkpoint,
    "proof": proof,
    "audit": audit,
    "import-outcomes": import_outcomes,
    "expire": expire,
    "export": export,
}


def _settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        [first, *_] = error.errors()
        raise CommandFailed(f"Set {PREFIX}{str(first['loc'][0]).upper()} to another value: {first['msg']}.") from error


_REASONS: dict[type[Exception], str] = {
    psycopg.errors.UndefinedTable: "The database has no schema yet: run `python -m decision_log migrate` first.",
    psycopg.errors.InsufficientPrivilege: f"The role in {PREFIX}DATABASE_URL may not do this.",
    psycopg.errors.ReadOnlySqlTransaction: f"The database is a read-only replica: name the primary in {PREFIX}DATABASE_URL.",
    psycopg.OperationalError: "The database went away; run the command again when it is back.",
    LogUnavailable: f"The database does not answer, is not set up, or refuses this role. Check {PREFIX}DATABASE_URL.",
}


def _run(arguments: Arguments) -> int:
    try:
        if arguments.command == "verify":
            return verify(arguments)
        return COMMANDS[arguments.command](arguments, _settings())
    except tuple(_REASONS) as error:
        raise CommandFailed(next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))) from error
    except TileMissing as error:
        raise CommandFailed(
            f"{error} is missing from the database: `python -m decision_log audit` says more."
        ) from error
    except NoteRefused as error:
        raise CommandFailed(f"Not verified: {error}.") from error
    except OSError as error:
        raise CommandFailed(f"{error.filename} cannot be read: {error.strerror}.") from error


def main(given: Sequence[str] | None = None) -> int:
    try:
        return _run(parser().parse_args(given))
    except DecisionLogError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
