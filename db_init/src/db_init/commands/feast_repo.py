"""The command `feast-repo DIR`: writes a feature repository, with which Feast clients read from the feature service."""

import argparse
from pathlib import Path

from db_init.commands.arguments import add_wait
from db_init.settings import Settings

WHAT = "write a Feast feature repository of the set in force"
EPILOG = "Run `feast apply` in the folder, and read with FeatureStore(repo_path=DIR).get_online_features(...)."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder to write into; created if it does not exist")
    parser.add_argument(
        "--url",
        default="http://127.0.0.1:8000/feast",
        help="address of the feature service for Feast clients (default: http://127.0.0.1:8000/feast)",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.feature_sets.feast_repo import write_repository  # noqa: PLC0415
    from db_init.feature_sets.stored import applied_set  # noqa: PLC0415
    from db_init.shards import connected, shards  # noqa: PLC0415

    with connected(settings, shards(settings)[0], changing=False) as connection:
        feature_set = applied_set(connection).feature_set
    write_repository(arguments.folder, feature_set, arguments.url)
    print(f"A feature repository of {feature_set.name} is in {arguments.folder}: run `feast apply` there.")
