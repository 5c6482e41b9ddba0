"""The command line of the database's owner: `python -m db_init COMMAND`."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

# The imports take seconds: an interruption during them ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from pydantic import ValidationError

from db_init.commands import (
    apply,
    check,
    draft,
    export_training,
    feast_repo,
    import_features,
    load,
    migrate,
    publish,
    retain,
    sample,
)  # fmt: skip
from db_init.database import REASONS, explained
from db_init.errors import LoadError
from db_init.settings import PREFIX, Settings

_OF_THE_DATABASE: dict[str, ModuleType] = {
    "migrate": migrate,
    "apply": apply,
    "load": load,
    "import-features": import_features,
    "publish": publish,
    "retain": retain,
    "export-training": export_training,
    "feast-repo": feast_repo,
}
_OF_FILES: dict[str, ModuleType] = {"check": check, "draft": draft, "sample": sample}
"""Commands that need no database and no settings."""

_FORMS = {f"{PREFIX}DATABASE_URL": "postgresql://owner@host/database", f"{PREFIX}MEMORY": "a size such as 2GB"}


def _settings(arguments: argparse.Namespace) -> Settings:
    given = {} if arguments.wait is None else {"wait_seconds": arguments.wait}
    try:
        return Settings(**given)  # and the environment
    except ValidationError as error:
        [first, *_] = error.errors()
        name = f"{PREFIX}{str(first['loc'][0]).upper()}"
        raise LoadError(f"Set {name} to {_FORMS.get(name, 'another value')}.") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m db_init",
        description="Owns the feature database: schema, feature sets, loading, training rows, sample data.",
        epilog=f"{PREFIX}DATABASE_URL names the database, or several databases by URLs with spaces between. "
        "Exit codes: 0 done, 1 failed (nothing was changed), 2 usage.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in (_OF_THE_DATABASE | _OF_FILES).items():
        made = commands.add_parser(name, help=command.WHAT, description=command.WHAT, epilog=command.EPILOG)
        command.add_arguments(made)
    return parser


def _run(arguments: argparse.Namespace) -> None:
    if command := _OF_FILES.get(arguments.command):
        command.run(arguments)
        return
    try:
        _OF_THE_DATABASE[arguments.command].run(arguments, _settings(arguments))
    except tuple(REASONS) as error:
        raise explained(error) from error


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(given: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    try:
        _run(arguments)
    except LoadError as error:
        print(error, file=sys.stderr)
        return 1
    except MemoryError:
        print("There is not enough memory for this. Nothing was changed.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted. Nothing was changed.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
