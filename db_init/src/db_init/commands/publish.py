"""`publish`: brings what has changed in the online store to DynamoDB."""

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

WHAT = "what has changed in the online store, to a table of DynamoDB"
EPILOG = (
    "DB_INIT_ONLINE_STORE names the table. The first time marks every client, and from then on each change is marked as it is "
    "made. Safe to stop at any point, to run again, and twice at once: the newer vector wins."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("--create-table", action="store_true", help="create the table first, where there is none")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--full", action="store_true", help="everything, and erase what PostgreSQL does not know (after a restore)"
    )
    how.add_argument("--stop", action="store_true", help="instead: mark no changes any more; the table stays as it is")
    parser.add_argument("--follow", action="store_true", help="go on with it until it is told to stop")
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
