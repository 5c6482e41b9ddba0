"""The command `sample`: writes synthetic raw loans for the shipped feature set credit_default."""

import argparse
from pathlib import Path

from db_init.commands.arguments import positive, seed, strength
from db_init.progress import progress

WHAT = "write synthetic raw loans in the layout of real ones"
EPILOG = "The loans are raw events of the shipped feature set credit_default. Needs no database."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--clients", type=positive, required=True, metavar="N", help="number of clients")
    parser.add_argument("--seed", type=seed, required=True, metavar="S", help="the same seed makes the same file")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write (.csv or .parquet)")
    parser.add_argument(
        "--signal", type=strength, default=1.0, help="how strongly the features predict default; 1 is realistic"
    )


def run(arguments: argparse.Namespace) -> None:
    from db_init.feature_sets.credit_default.sample import write_sample  # noqa: PLC0415

    with progress() as steps:
        rows = write_sample(arguments.out, arguments.clients, arguments.seed, arguments.signal, steps)
    print(f"{rows:,} loans of {arguments.clients:,} clients in {arguments.out}")
