"""The command `publish`: copies changes of the online store to DynamoDB."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from db_init.commands.arguments import add_report, add_wait
from db_init.errors import LoadError
from db_init.progress import progress, say
from db_init.settings import Settings
from shared_schemas.online_items import TableAddress

if TYPE_CHECKING:
    from db_init.publishing.publish import Report

WHAT = "copy changes of the online store to a DynamoDB table"
EPILOG = (
    "DB_INIT_ONLINE_STORE names the table. The first run marks every client; after that, each change is marked when it "
    "is made. Safe to stop at any point, to repeat, and to run concurrently: the newer vector wins."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("--create-table", action="store_true", help="create the table first if it does not exist")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--full",
        action="store_true",
        help="publish everything, and erase clients unknown to PostgreSQL (after a restore)",
    )
    how.add_argument(
        "--stop", action="store_true", help="publish nothing and stop marking changes; the table stays as it is"
    )
    parser.add_argument("--follow", action="store_true", help="keep publishing changes until interrupted")
    add_report(parser)


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.database import connect  # noqa: PLC0415  # heavy
    from db_init.publishing import marks  # noqa: PLC0415
    from db_init.shards import only_database  # noqa: PLC0415

    only_database(settings, "publish")
    if arguments.stop:
        with connect(settings) as connection:
            marks.stop(connection)
        print("changes are not marked any more")
        return
    try:
        address = TableAddress.read(settings.online_store or "")
    except ValueError as error:
        raise LoadError(f"Set DB_INIT_ONLINE_STORE: {error}.") from error
    try:
        report = asyncio.run(_published(arguments, settings, address))
    except KeyboardInterrupt:
        print("Interrupted. What was published stays; run the command again to go on.", file=sys.stderr)
        raise SystemExit(0 if arguments.follow else 130) from None
    print(report.as_json() if arguments.report == "json" else report.as_text())


async def _published(arguments: argparse.Namespace, settings: Settings, address: TableAddress) -> "Report":
    from db_init.database import connect  # noqa: PLC0415
    from db_init.publishing.publish import Publisher  # noqa: PLC0415
    from db_init.publishing.table import open_table  # noqa: PLC0415

    with connect(settings) as connection, progress() as steps:
        async with open_table(address) as table:
            if arguments.create_table and not await table.exists():
                await table.create()
            publisher = Publisher(connection, table, steps, say)
            await publisher.publish(full=arguments.full)
            if arguments.follow:
                say(publisher.report.as_json())
                await publisher.follow()
    return publisher.report
