"""`draft FILE`: a feature set that fits the columns of a file, as a start."""

import argparse
from pathlib import Path

from db_init.progress import progress

WHAT = "print a feature set that fits a CSV or Parquet file, with questions about what the file does not tell"
EPILOG = (
    "Needs no database. Types, ranges and categories are as found; missing shares and likely bases of the law stand in "
    "comments. `check` accepts what is printed: python -m db_init draft clients.csv > clients.toml"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="CSV or Parquet file, one row a client or an event")
    parser.add_argument("--memory", default="2GB", metavar="SIZE", help="memory that may be used (default: 2GB)")


def run(arguments: argparse.Namespace) -> None:
    from db_init.feature_sets.drafting import draft  # noqa: PLC0415

    with progress() as steps:
        text = draft(arguments.file, arguments.memory, steps)
    print(text, end="")
