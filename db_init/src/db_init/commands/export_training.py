"""The command `export-training OUT`: writes point-in-time correct training rows with their feature set."""

import argparse
from pathlib import Path

from db_init.commands.arguments import add_wait, folds
from db_init.settings import Settings

WHAT = "write point-in-time correct training rows as Parquet"
EPILOG = "The metadata of the file holds the feature set in force, under the key feature_set."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_wait(parser)
    parser.add_argument("out", type=Path, metavar="OUT", help="Parquet file to write")
    parser.add_argument("--rows", choices=["all", "last"], default="all", help="every event, or each client's last")
    parser.add_argument(
        "--folds",
        type=folds,
        metavar="K",
        help="add the column fold, 0 to K-1: rows of one client, or one group if the set declares groups, share a fold",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="the same seed makes the same folds")


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.export_training import Folds, export_training  # noqa: PLC0415

    wanted = Folds(arguments.folds, arguments.seed) if arguments.folds else None
    rows = export_training(settings, arguments.out, last_only=arguments.rows == "last", folds=wanted)
    print(f"{rows:,} rows in {arguments.out}")
