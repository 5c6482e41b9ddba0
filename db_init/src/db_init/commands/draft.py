"""The command `draft FILE`: prints a feature set that fits the columns of a file, as a starting point."""

import argparse
from pathlib import Path

from db_init.progress import progress

WHAT = "print a feature set that fits a CSV or Parquet file, with questions that the file does not answer"
EPILOG = (
    "Needs no database. Types, ranges and categories are those found in the file. Comments show shares of missing "
    "values and columns that may be a prohibited basis. `check` accepts the output: "
    "python -m db_init draft clients.csv > clients.toml"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet file with one row per client or event")
    parser.add_argument("--memory", default="2GB", metavar="SIZE", help="memory that may be used (default: 2GB)")


def run(arguments: argparse.Namespace) -> None:
    from db_init.feature_sets.drafting import draft  # noqa: PLC0415

    with progress() as steps:
        text = draft(arguments.file, arguments.memory, steps)
    print(text, end="")
