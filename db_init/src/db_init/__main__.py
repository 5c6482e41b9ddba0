"""The commands of the database's owner: `python -m db_init COMMAND`."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from pydantic import ValidationError

from db_init.database import connect
from db_init.errors import LoadError
from db_init.progress import progress, say
from db_init.report import Report
from db_init.settings import PREFIX, Settings

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from db_init.duckdb_engine import DuckDB

# Each command imports its own module only: Ibis, Alembic and NumPy take a second together, and no command needs them all.
Arguments = argparse.Namespace


def _settings(arguments: Arguments) -> Settings:
    given = {} if arguments.wait is None else {"wait_seconds": arguments.wait}
    try:
        return Settings(**given)  # and the environment
    except ValidationError as error:
        [first, *_] = error.errors()
        name = f"{PREFIX}{str(first['loc'][0]).upper()}"
        form = {f"{PREFIX}DATABASE_URL": "postgresql://owner@host/database", f"{PREFIX}MEMORY": "a size such as 2GB"}
        raise LoadError(f"Set {name} to {form.get(name, 'another value')}.") from error


def _migrate(_: Arguments, settings: Settings) -> None:
    from db_init.migrate import migrate  # noqa: PLC0415

    migrate(settings)
    print("the schema is up to date")


def _print(report: Report, arguments: Arguments) -> None:
    print(report.as_json() if arguments.report == "json" else report.as_text())


def _engine(arguments: Arguments, settings: Settings) -> "AbstractContextManager[DuckDB]":
    if arguments.engine == "spark":
        from db_init.spark_engine import open_spark  # noqa: PLC0415

        return open_spark(settings.memory, arguments.spark_master)
    from db_init.duckdb_engine import open_duckdb  # noqa: PLC0415

    return open_duckdb(settings.memory)


def _load(arguments: Arguments, settings: Settings) -> None:
    from db_init.load import load  # noqa: PLC0415

    opening = _engine(arguments, settings)
    with connect(settings) as connection, progress() as steps:
        report = load(connection, arguments.file, as_of=arguments.as_of, opening=opening, steps=steps, say=say)
    _print(report, arguments)


def _import(arguments: Arguments, settings: Settings) -> None:
    from db_init.import_features import import_features  # noqa: PLC0415

    with connect(settings) as connection, progress() as steps:
        report = import_features(connection, arguments.file, memory=settings.memory, steps=steps, say=say)
    _print(report, arguments)


def _export(arguments: Arguments, settings: Settings) -> None:
    from db_init.export_training import Folds, export_training  # noqa: PLC0415

    folds = Folds(arguments.folds, arguments.seed) if arguments.folds else None
    with connect(settings) as connection:
        last_only = arguments.rows == "last"
        rows = export_training(connection, arguments.out, last_only=last_only, folds=folds, memory=settings.memory)
    print(f"{rows:,} rows in {arguments.out}")


def _sample(arguments: Arguments) -> None:
    from db_init.sample import write_sample  # noqa: PLC0415

    with progress() as steps:
        rows = write_sample(arguments.out, arguments.clients, arguments.seed, arguments.signal, steps)
    print(f"{rows:,} loans of {arguments.clients:,} clients in {arguments.out}")


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date of the form 2021-12-22") from None


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def _folds(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 2 to 1000")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return seconds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m db_init",
        description="Owns the feature database: schema, feature pipeline, loading, sample data.",
        epilog=f"The database is named by {PREFIX}DATABASE_URL. Exit codes: 0 done, 1 failed (nothing was changed), 2 usage.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, run: Callable[..., None]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=what, description=what)
        made.set_defaults(run=run)
        return made

    def with_database(name: str, what: str, run: Callable[..., None]) -> argparse.ArgumentParser:
        made = command(name, what, run)
        made.add_argument(
            "--wait",
            type=_seconds,
            metavar="SECONDS",
            help="how long to wait for a database that is away (default: 30)",
        )
        return made

    with_database("migrate", "bring the schema and the roles up to date", _migrate)

    loading = with_database("load", "raw loans into the feature history and the online store", _load)
    source = loading.add_mutually_exclusive_group(required=True)
    source.add_argument("file", type=Path, nargs="?", metavar="LOANS", help="CSV or Parquet file of raw loans")
    source.add_argument(
        "--retry-quarantined",
        action="store_true",
        help="instead of a file, load those lines of raw loans in quarantine that are good by now, and take them out",
    )
    loading.add_argument(
        "--as-of",
        type=_day,
        default=datetime.now(UTC).date(),
        metavar="DATE",
        help="reference date of the ages in the online store (default: today, UTC)",
    )
    loading.add_argument("--engine", choices=["duckdb", "spark"], default="duckdb", help="what computes the features")
    loading.add_argument(
        "--spark-master",
        default="local[*]",
        metavar="URL",
        help="with --engine spark: where it runs (default: local[*]); a cluster must share this machine's TMPDIR",
    )
    importing = with_database("import-features", "precomputed vectors into the history and the online store", _import)
    importing.add_argument(
        "file", type=Path, help="CSV or Parquet file: id, the five features, status, optionally event_timestamp"
    )
    for loader in (loading, importing):
        loader.add_argument("--report", choices=["text", "json"], default="text", help="form of the final report")

    sampling = command("sample", "synthetic raw loans, in the layout of real ones", _sample)
    sampling.add_argument("--clients", type=_positive, required=True, metavar="N", help="how many clients")
    sampling.add_argument("--seed", type=int, required=True, metavar="S", help="the same seed makes the same file")
    sampling.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.csv or .parquet)")
    sampling.add_argument(
        "--signal", type=float, default=1.0, help="how strongly features tell of default; 1 is realistic"
    )

    exporting = with_database("export-training", "point-in-time correct training rows, as Parquet", _export)
    exporting.add_argument("out", type=Path, metavar="OUT", help="Parquet file to write")
    exporting.add_argument("--rows", choices=["all", "last"], default="all", help="every loan, or each client's last")
    exporting.add_argument(
        "--folds",
        type=_folds,
        metavar="K",
        help="add the column fold, 0 to K-1: no person has rows in two of them (as far as the data tells persons apart)",
    )
    exporting.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed makes the same folds")
    return parser


_REASONS: dict[type[psycopg.Error], str] = {
    psycopg.errors.UndefinedTable: "The database has no schema yet: run `python -m db_init migrate` first.",
    psycopg.errors.InsufficientPrivilege: f"The role in {PREFIX}DATABASE_URL may not do this: name the one that owns the schema.",
    psycopg.errors.ReadOnlySqlTransaction: f"The database is a read-only replica: name the primary in {PREFIX}DATABASE_URL.",
    psycopg.OperationalError: "The database went away. Nothing was changed; run the command again when it is back.",
}


def _run(arguments: Arguments) -> None:
    try:
        if arguments.run is _sample:
            _sample(arguments)
        else:
            arguments.run(arguments, _settings(arguments))
    except tuple(_REASONS) as error:
        raise LoadError(next(reason for kind, reason in _REASONS.items() if isinstance(error, kind))) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(given: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    try:
        _run(arguments)
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Nothing was changed.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(main())
