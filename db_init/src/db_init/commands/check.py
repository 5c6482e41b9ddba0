"""The command `check FILE`: reports the mistakes in a feature set by line and key."""

import argparse

from db_init.commands.arguments import add_feature_set_file

WHAT = "check a feature set, and report mistakes by line and key"
EPILOG = "Needs no database. Prints one line per mistake and exits with 1, or one line about the set and exits with 0."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_feature_set_file(parser)


def run(arguments: argparse.Namespace) -> None:
    from db_init.feature_sets.reading import read_feature_set  # noqa: PLC0415

    feature_set = read_feature_set(arguments.file)
    count, inputs = len(feature_set.features), len(feature_set.inputs)
    print(f"{feature_set.name}: {count} features, {inputs} of them for models. Digest {feature_set.digest}")
