"""The command `apply FILE`: makes a feature set the one in force."""

import argparse
from pathlib import Path

from db_init.commands.arguments import add_feature_set_file, add_wait
from db_init.progress import say
from db_init.settings import Settings

WHAT = "store a feature set in the database: services follow within two seconds"
EPILOG = (
    "Allowed at any time: new features, new categories, changed texts, ranges and reasons. A change of type, unit or "
    "meaning and a removed category need a higher `version` of the feature. The older version is still served on "
    "request, until `apply --drop`. A removed feature is no longer served. A new feature of the pipeline is null for "
    "clients with stored raw events, until `load --recompute`. Applying the same file twice changes nothing."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_feature_set_file(parser)
    add_wait(parser)
    parser.add_argument(
        "--drop",
        action="store_true",
        help="also remove the stored values of features and versions that FILE does not declare; they are lost",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="apply even if the running champion reads features that are then not served",
    )
    parser.add_argument(
        "--model-dir",
        type=Path,
        metavar="FOLDER",
        help="registry folder of the prediction service, to see what its champion reads (default: MODEL_DIR, if set)",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> None:
    from db_init.database import exclusive  # noqa: PLC0415
    from db_init.feature_sets.applying import Options, apply  # noqa: PLC0415
    from db_init.feature_sets.reading import read_feature_set  # noqa: PLC0415
    from db_init.shards import connected, reachable  # noqa: PLC0415

    feature_set = read_feature_set(arguments.file)
    options = Options(arguments.drop, arguments.force, arguments.model_dir or settings.model_dir)
    changes: dict[str, None] = {}
    for shard in reachable(settings):
        with connected(settings, shard) as connection, exclusive(connection, say):
            changes |= dict.fromkeys(apply(connection, feature_set, arguments.file.resolve().parent, options))
    name = f"{feature_set.name} ({feature_set.digest[:12]})"
    print(f"{name} is applied" if changes else f"{name} was applied already: nothing changes")
    for change in changes:
        print(f"  {change}")
