"""The command line: serve, list the model versions, give one of them a role."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from prediction_service.artefact import ModelRefused, read_manifest
from prediction_service.model import verified
from prediction_service.registry import clear_role, give_role, is_version_name, version_in_role, versions
from prediction_service.settings import PREFIX, Settings
from service_kit.service import run_service

_EPILOG = f"""\
Without a command it serves, configured by {PREFIX}* variables. Services that run follow a promoted version within two
seconds; requests that are being answered keep the one they started with.

Exit code 0: done; 1: not done, and nothing changed; 2: usage.
"""


_LIST = "List the versions: * marks the one that decides, ~ the challenger."


class CommandError(Exception):
    """The command did nothing. The message is for the person who gave it."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m prediction_service",
        description="Answers how likely a client is to default.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    folder = argparse.ArgumentParser(add_help=False)
    folder.add_argument("--model-dir", type=Path, help=f"registry folder (default: {PREFIX}MODEL_DIR, or models)")
    commands.add_parser("models", parents=[folder], help="list the versions", description=_LIST)
    text = "Check a version as the service does, and make it the one that decides."
    promote = commands.add_parser("promote", parents=[folder], help="let a version decide", description=text)
    promote.add_argument("version", type=_version_name)
    text = "Check a version as the service does, and let it score unseen what the champion decides; see /metrics."
    challenge = commands.add_parser("challenge", parents=[folder], help="compare a version", description=text)
    which = challenge.add_mutually_exclusive_group(required=True)
    which.add_argument("version", type=_version_name, nargs="?")
    which.add_argument("--none", action="store_true", help="compare none any more")
    return parser


def _version_name(text: str) -> str:
    if not is_version_name(text):
        raise argparse.ArgumentTypeError("a version is called by 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def _list(model_dir: Path) -> None:
    found = versions(model_dir)
    if not found:
        raise CommandError(f"There is no version in {model_dir}: train one.")
    current, challenger = version_in_role(model_dir, "current"), version_in_role(model_dir, "challenger")
    marks = {challenger: "~", current: "*"}
    for version in found:
        print(f"{marks.get(version, ' ')} {version:<28} {_summary(model_dir / version)}")
    if current not in found:
        print("No version decides: promote one.")


def _summary(folder: Path) -> str:
    try:
        manifest = read_manifest(folder)
    except ModelRefused as reason:
        return f"cannot be used: {reason}"
    return f"{manifest.created_at:%Y-%m-%d %H:%M}  {manifest.kind}  {manifest.estimator}"


def _check(model_dir: Path, version: str) -> None:
    if version not in (found := versions(model_dir)):
        there = f"there are {', '.join(found)}" if found else "there is none"
        raise CommandError(f"There is no version {version} in {model_dir}; {there}.")
    try:
        verified(model_dir / version)
    except ModelRefused as reason:
        raise CommandError(f"Version {version} is refused: {reason}.") from reason


def _promote(model_dir: Path, version: str) -> None:
    _check(model_dir, version)
    before = version_in_role(model_dir, "current")
    give_role(model_dir, "current", version)
    print(f"current  {version}")
    print(f"before   {before or 'none'}")
    if before not in (None, version):
        print(f"go back  python -m prediction_service promote {before} --model-dir {shlex.quote(str(model_dir))}")


def _challenge(model_dir: Path, version: str | None) -> None:
    before = version_in_role(model_dir, "challenger")
    if version is None:
        clear_role(model_dir, "challenger")
    elif version == version_in_role(model_dir, "current"):
        raise CommandError(f"Version {version} is the one that decides: it cannot be its own challenger.")
    else:
        _check(model_dir, version)
        give_role(model_dir, "challenger", version)
    print(f"challenger  {version or 'none'}")
    print(f"before      {before or 'none'}")


def _run(arguments: argparse.Namespace, model_dir: Path) -> None:
    match arguments.command:
        case "models":
            _list(model_dir)
        case "promote":
            _promote(model_dir, arguments.version)
        case "challenge":
            _challenge(model_dir, arguments.version)


def main(given: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = ", ".join(f"{PREFIX}{str(found['loc'][0]).upper()}: {found['msg']}" for found in error.errors())
        print(f"Settings that cannot be used: {wrong}", file=sys.stderr)
        return 2
    if arguments.command is None:
        run_service("prediction_service.app:create_app", settings)
        return 0
    model_dir = arguments.model_dir or settings.model_dir
    try:
        _run(arguments, model_dir)
    except CommandError as reason:
        print(reason, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or model_dir}: {error.strerror}", file=sys.stderr)
        return 1
    return 0
