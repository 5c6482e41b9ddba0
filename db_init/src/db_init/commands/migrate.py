"""`migrate`: schema, roles, and the shipped feature set where there is none."""

import argparse

from db_init.commands.arguments import add_wait
from db_init.settings import Settings

WHAT = "bring the schema and the roles up to date"
EPILOG = (
    "Applies the feature set credit_default where no set was ever applied. Safe to run again, and twice at once. Of several "
    "databases each records which one it is."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)


def run(_: argparse.Namespace, settings: Settings) -> None:
    from db_init.migrate import migrate  # noqa: PLC0415  # heavy
    from db_init.shards import shards, turn_of  # noqa: PLC0415

    for shard in shards(settings):
        with turn_of(shard):
            migrate(settings, shard)
    print("the schema is up to date")
