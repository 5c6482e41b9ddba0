"""Arguments that several commands share, and the parsers of argument values."""

import argparse
import re
from math import isfinite, nan
from pathlib import Path

_ADDRESS = r"([a-zA-Z0-9_.-]+|\[[0-9a-fA-F:.]+\]):([1-9][0-9]{0,4})"
_SPARK_MASTER = re.compile(
    rf"local(\[([1-9][0-9]*|[*])\])?|local-cluster\[[0-9]+,[0-9]+,[0-9]+\]|spark://{_ADDRESS}(,{_ADDRESS})*|yarn|k8s://.+"
)
_LARGEST_PORT = 65_535


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
    return int(text)


def seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 on")
    return int(text)


def strength(text: str) -> float:
    try:
        given = float(text)
    except ValueError:
        given = nan
    if not isfinite(given):
        raise argparse.ArgumentTypeError(f"{text!r} is no finite number")
    return given


def folds(text: str) -> int:
    if not text.isdecimal() or not 2 <= int(text) <= 1_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 2 to 1000")
    return int(text)


def seconds(text: str) -> float:
    try:
        given = float(text)
    except ValueError:
        given = -1.0
    if not 0 <= given < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return given


def spark_master(text: str) -> str:
    if not _SPARK_MASTER.fullmatch(text) or any(
        int(port) > _LARGEST_PORT for port in re.findall(r":([0-9]+)(?=,|$)", text)
    ):
        raise argparse.ArgumentTypeError(f"{text!r} is no Spark master such as local[2] or spark://HOST:PORT")
    return text


def add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--wait", type=seconds, metavar="SECONDS", help="how long to wait for an unavailable database (default: 30)"
    )


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", choices=["text", "json"], default="text", help="format of the final report")


def add_feature_set_file(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="TOML file of a feature set")
