"""The command line: serves, manages model versions and policies, monitors, scores all clients."""

import argparse
import asyncio
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from decision_log import LogUnavailable
from prediction_service.errors import CommandError
from prediction_service.policy import commands as policies
from prediction_service.policy.rules import PolicyRefused
from prediction_service.settings import PREFIX, Settings
from prediction_service.versions.artefact import ModelRefused, read_manifest
from prediction_service.versions.folder import (
    activate,
    clear_role,
    give_role,
    is_version_name,
    version_in_role,
    versions,
)
from prediction_service.versions.serving import verified
from service_kit.service import run_service
from service_kit.telemetry.logs import configure_logs

_EPILOG = f"""\
Without a command, the service starts, configured by {PREFIX}* variables. Running services load a promoted version
within two seconds; requests in progress keep the version that they started with.

Exit code 0: done; 1: not done, and nothing changed; 2: usage.
"""


_LIST = "List the versions: * marks the one that decides, ~ the challenger."


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
    promote.add_argument(
        "--when-proven",
        type=_level,
        metavar="LEVEL",
        help="only if outcomes prove at this level of error that it predicts better than the champion; 0.05: E >= 20",
    )
    text = "Check a version as the service does, and make it the challenger: it scores all that the champion decides."
    challenge = commands.add_parser("challenge", parents=[folder], help="compare a version", description=text)
    which = challenge.add_mutually_exclusive_group(required=True)
    which.add_argument("version", type=_version_name, nargs="?")
    which.add_argument("--none", action="store_true", help="remove the challenger")
    text = "Count decisions and their outcomes, and open alarms: every minute, until it is stopped."
    monitor = commands.add_parser("monitor", parents=[folder], help="watch the model that decides", description=text)
    monitor.add_argument("--once", action="store_true", help="do what is due, then exit")
    monitor.add_argument(
        "--rebuild", action="store_true", help="count all records again, then exit; days with erased records stay"
    )
    _add_policy(commands, folder)
    text = "Decide about every client with the present champion and policy. Continues an interrupted run."
    portfolio = commands.add_parser("score-all", parents=[folder], help="decide about every client", description=text)
    portfolio.add_argument("--out", type=Path, required=True, metavar="FILE.parquet", help="where the decisions go")
    portfolio.add_argument("--record", action="store_true", help="record them in the decision log")
    portfolio.add_argument("--reasons", action="store_true", help="add the reasons for decisions other than approve")
    return parser


def _add_policy(commands: Any, folder: argparse.ArgumentParser) -> None:
    text = "The policy derives the decision from the probability, and from missing, failed or stale values."
    policy = commands.add_parser("policy", help="approve, refer, decline", description=text)
    actions = policy.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, words in (
        ("check", "check a policy file"),
        ("apply", "put a policy file in force, and keep it for replays"),
    ):
        action = actions.add_parser(name, parents=[folder], help=words)
        action.add_argument("file", type=Path, help="policy.toml")
    actions.add_parser("list", parents=[folder], help="every policy that was applied; * marks the one in force")


def _version_name(text: str) -> str:
    if not is_version_name(text):
        raise argparse.ArgumentTypeError("a version name has 1 to 64 letters, digits, dots, dashes and underscores")
    return text


def _level(text: str) -> float:
    try:
        level = float(text)
    except ValueError:
        level = 0.0
    if not 0 < level < 1:
        raise argparse.ArgumentTypeError("a level of error lies between 0 and 1")
    return level


def _list(model_dir: Path) -> None:
    found = versions(model_dir)
    if not found:
        raise CommandError(f"There is no version in {model_dir}: train one.")
    champion, challenger = version_in_role(model_dir, "champion"), version_in_role(model_dir, "challenger")
    marks = {challenger: "~", champion: "*"}
    for version in found:
        print(f"{marks.get(version, ' ')} {version:<28} {_summary(model_dir / version)}")
    if champion not in found:
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
    before = version_in_role(model_dir, "champion")
    activate(model_dir, version)
    print(f"champion  {version}")
    print(f"before    {before or 'none'}")
    if before not in (None, version):
        print(f"go back   python -m prediction_service promote {before} --model-dir {shlex.quote(str(model_dir))}")


def _prove(settings: Settings, version: str, level: float) -> None:
    from prediction_service.monitor.proving import compared, lacking  # noqa: PLC0415 -- not needed to serve

    _check(settings.model_dir, version)
    champion = version_in_role(settings.model_dir, "champion")
    if champion is None:
        raise CommandError("No version decides: there is nothing to be better than. Promote without --when-proven.")
    if champion == version:
        raise CommandError(f"Version {version} decides already.")
    _check(settings.model_dir, champion)
    found = asyncio.run(compared(settings, champion, version, level))
    if reason := lacking(found, level):
        raise CommandError(f"Not proven that {version} predicts better than {champion}: {reason}.")
    print(f"proven   log E {found.log_e:.2f} after {found.outcomes:,} outcomes")


def _challenge(model_dir: Path, version: str | None) -> None:
    before = version_in_role(model_dir, "challenger")
    if version is None:
        clear_role(model_dir, "challenger")
    elif version == version_in_role(model_dir, "champion"):
        raise CommandError(f"Version {version} is the one that decides: it cannot be its own challenger.")
    else:
        _check(model_dir, version)
        give_role(model_dir, "challenger", version)
    print(f"challenger  {version or 'none'}")
    print(f"before      {before or 'none'}")


_NICE = 10
"""Niceness of the monitor: on a saturated machine, requests come first and the monitor catches up later."""


def _monitor(arguments: argparse.Namespace, settings: Settings) -> None:
    from prediction_service.monitor.process import run, run_once  # noqa: PLC0415 -- not needed to serve

    configure_logs(settings.log_level)
    if not (arguments.once or arguments.rebuild):
        os.nice(_NICE)
        asyncio.run(run(settings))
        return
    counted = asyncio.run(run_once(settings, rebuild=arguments.rebuild))
    if counted is None:
        raise CommandError("Another process is already the monitor.")
    print(f"counted  {counted}")


def _policy(arguments: argparse.Namespace, model_dir: Path) -> None:
    try:
        match arguments.action:
            case "check":
                print(f"{policies.check(model_dir, arguments.file).version} can be applied")
            case "apply":
                print(f"{policies.apply(model_dir, arguments.file).version} is in force")
            case "list":
                print("\n".join(policies.listed(model_dir)))
    except PolicyRefused as reason:
        raise CommandError(f"{arguments.file} is refused: {reason}.") from reason


def _score_all(arguments: argparse.Namespace, settings: Settings) -> None:
    from prediction_service.portfolio.command import score_all  # noqa: PLC0415 -- the service's image has no pyarrow

    score_all(settings, arguments)


def _run(arguments: argparse.Namespace, settings: Settings) -> None:
    model_dir: Path = settings.model_dir
    match arguments.command:
        case "monitor":
            _monitor(arguments, settings)
        case "policy":
            _policy(arguments, model_dir)
        case "score-all":
            _score_all(arguments, settings)
        case "models":
            _list(model_dir)
        case "promote":
            if arguments.when_proven is not None:
                _prove(settings, arguments.version, arguments.when_proven)
            _promote(model_dir, arguments.version)
        case "challenge":
            _challenge(model_dir, arguments.version)


def main(given: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(given)
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = ", ".join(f"{PREFIX}{str(found['loc'][0]).upper()}: {found['msg']}" for found in error.errors())
        print(f"Invalid settings: {wrong}", file=sys.stderr)
        return 2
    if arguments.command is None:
        run_service("prediction_service.app:create_app", settings)
        return 0
    model_dir = arguments.model_dir or settings.model_dir
    return _done(arguments, settings.model_copy(update={"model_dir": model_dir}))


def _done(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run the command and return its exit code. Failures are printed to stderr."""
    try:
        _run(arguments, settings)
    except LogUnavailable:
        print(f"The decision log does not answer: check {PREFIX}MONITOR_DATABASE_URL.", file=sys.stderr)
    except CommandError as reason:
        print(reason, file=sys.stderr)
    except OSError as error:
        print(f"{error.filename or settings.model_dir}: {error.strerror}", file=sys.stderr)
    except KeyboardInterrupt:
        return 130
    else:
        return 0
    return 1
