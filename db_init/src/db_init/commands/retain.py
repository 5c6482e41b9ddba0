"""The command `retain`: drops old partitions of the history."""

import argparse
from datetime import UTC, datetime

from db_init.commands.arguments import add_wait
from db_init.settings import Settings

WHAT = "keep the history only since a date"
EPILOG = (
    "Drops the partitions before the date. Vectors as of the date or later do not change. Afterwards, requests as of "
    "an earlier time and earlier events are refused. Dropped rows cannot be restored. Safe to repeat."
)


def _day(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no date such as 2026-01-01") from None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("--before", type=_day, required=True, metavar="DATE", help="first day that is kept, in UTC")


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.progress import say  # noqa: PLC0415
    from db_init.retention import retain  # noqa: PLC0415
    from db_init.shards import connected, reachable  # noqa: PLC0415

    rows = kept = 0
    for shard in reachable(settings):
        with connected(settings, shard) as connection:
            dropped = retain(connection, arguments.before, say)
        rows, kept = rows + dropped.before, kept + dropped.kept
    print(f"{rows:,} events before {arguments.before:%Y-%m-%d}; {kept:,} rows in their place")
