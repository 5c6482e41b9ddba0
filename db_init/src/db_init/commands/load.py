"""The command `load FILE`: computes features from raw events into the history and the online store."""

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from db_init.commands.arguments import add_report, add_wait, spark_master
from db_init.progress import progress, say
from db_init.settings import Settings

if TYPE_CHECKING:
    from db_init.engines import Engine
    from db_init.shards import Share

WHAT = "load raw events into the feature history and the online store"
EPILOG = (
    "The feature set in force defines which columns are read and which pipeline computes the features. Lines that "
    "cannot be used are kept in the table quarantine. Loading the same file again changes nothing. A load computes the "
    "features of the clients with new events; after a change of the pipeline, --recompute computes those of all clients."
)


_LOCAL = "local[*]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("file", type=Path, nargs="?", metavar="EVENTS", help="CSV or Parquet file of raw events")
    source.add_argument(
        "--retry-quarantined",
        action="store_true",
        help="instead of a file, load the quarantined lines of raw events that are valid now, and remove them there",
    )
    source.add_argument(
        "--recompute",
        action="store_true",
        help="instead of a file, compute the features of all stored raw events with the pipeline in force, and replace those "
        "that differ",
    )
    parser.add_argument(
        "--feature-set",
        type=Path,
        metavar="FILE",
        help="TOML file of the set in force, if it was moved since `apply` (its pipeline must be in the same folder)",
    )
    parser.add_argument(
        "--engine", choices=["duckdb", "spark"], default="duckdb", help="engine that computes the features"
    )
    parser.add_argument(
        "--spark-master",
        type=spark_master,
        metavar="URL",
        help=f"with --engine spark: its master, such as spark://HOST:PORT (default: {_LOCAL}, which is this machine); "
        "the workers of a cluster must share this machine's TMPDIR",
    )
    parser.set_defaults(usage_error=parser.error)
    add_report(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.loading.events.load import load  # noqa: PLC0415
    from db_init.loading.report import Report, printed  # noqa: PLC0415
    from db_init.shards import connected, only_database  # noqa: PLC0415

    if arguments.spark_master and arguments.engine != "spark":
        arguments.usage_error("argument --spark-master: goes with --engine spark")
    if arguments.engine == "spark":
        only_database(settings, "load --engine spark")

    if arguments.recompute:
        _recompute(arguments, settings)
        return
    report = Report()
    for share in _shares(arguments, settings):
        opening = _engine(arguments, settings)
        with connected(settings, share.shard) as connection, progress() as steps:
            report.add(
                load(
                    connection, arguments.file, opening, steps, say, feature_set_file=arguments.feature_set, share=share
                )
            )
    print(printed(report, arguments.report))


def _recompute(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.loading.events.load import recompute  # noqa: PLC0415
    from db_init.loading.report import Recomputed, printed  # noqa: PLC0415
    from db_init.shards import agreeing, connected  # noqa: PLC0415

    report = Recomputed()
    for shard in agreeing(settings):
        opening = _engine(arguments, settings)
        with connected(settings, shard) as connection, progress() as steps:
            report.add(recompute(connection, opening, steps, say, feature_set_file=arguments.feature_set))
    print(printed(report, arguments.report))


def _shares(arguments: argparse.Namespace, settings: Settings) -> "list[Share]":
    """The share of the file, or of the lines in quarantine, for each database."""
    from db_init.files.reading import check_readable, scan  # noqa: PLC0415
    from db_init.loading.events.moving import move_lines  # noqa: PLC0415
    from db_init.shards import Share, due, shards  # noqa: PLC0415

    def what() -> str:
        check_readable(arguments.file)
        return f"load {scan(arguments.file).digest}"

    if not arguments.retry_quarantined:
        return due(settings, what, say)
    if len(found := shards(settings)) > 1:
        move_lines(settings, lambda: _engine(arguments, settings), say, arguments.feature_set)
    return [Share(shard) for shard in found]


def _engine(arguments: argparse.Namespace, settings: Settings) -> "AbstractContextManager[Engine]":
    if arguments.engine == "spark":
        from db_init.engines.spark import open_spark  # noqa: PLC0415

        return open_spark(settings.memory, arguments.spark_master or _LOCAL)
    from db_init.engines.duckdb import open_duckdb  # noqa: PLC0415

    return open_duckdb(settings.memory)
