"""The command `migrate`: brings schema and roles up to date, and applies the shipped feature set if there is none."""

import argparse

from db_init.commands.arguments import add_wait
from db_init.settings import Settings

WHAT = "bring the schema and the roles up to date"
EPILOG = (
    "Applies the feature set credit_default if no set was ever applied. Safe to repeat and to run concurrently. Each "
    "of several databases records which one it is."
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
