"""The command line: commands, arguments and their help."""

import argparse
from pathlib import Path
from uuid import UUID

_EPILOG = """\
DECISION_LOG_DATABASE_URL (with a role) and DECISION_LOG_DIR (the folder of the key) select the log. Without them the
commands use the stack that runs on DATA_DIR (default: .data). DECISION_LOG_ORIGIN is the log's name (default:
localhost/decisions). Exit codes: 0 done, 1 failed or not verified, 2 usage."""


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise argparse.ArgumentTypeError("not a decision id") from None


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m decision_log",
        description="Credit decisions as records of a transparency log.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=what, description=what)

    command("migrate", "bring the schema and the roles up to date, as the owner of the database")
    command("new-key", "make the log's key in DECISION_LOG_DIR and print its verifier key")
    command("key", "print the verifier key, with which others verify proofs")
    command("sequence", "add new records to the tree and sign it, every second, as decision_sequencer")
    command("checkpoint", "print the newest checkpoint; a copy kept elsewhere reveals a later rewrite of the log")
    command("proof", "print the proof of a record (.tlog-proof)").add_argument("decision_id", type=_uuid)
    verifying = command("verify", "verify a record by its proof, offline: exit 0 or 1, and one sentence")
    verifying.add_argument("--record", type=Path, required=True, metavar="FILE", help="the record, byte for byte")
    verifying.add_argument("--proof", type=Path, required=True, metavar="FILE", help="its .tlog-proof")
    verifying.add_argument("--key", required=True, metavar="VKEY", help="the log's verifier key: name+hash+base64")
    verifying.add_argument(
        "--witness", action="append", default=[], metavar="VKEY", help="a witness that must have cosigned (repeatable)"
    )
    auditing = command("audit", "check every record, commitment, tile and checkpoint; name the first that is wrong")
    auditing.add_argument("--key", metavar="VKEY", help="the verifier key (default: the one in DECISION_LOG_DIR)")
    auditing.add_argument(
        "--checkpoint", action="append", default=[], type=Path, metavar="FILE",
        help="a checkpoint that was kept outside, which the log must extend (repeatable)",
    )  # fmt: skip
    command("import-outcomes", "store outcomes from a CSV file: decision_id,observed_at,defaulted").add_argument(
        "file", type=Path, metavar="FILE"
    )
    command("expire", "erase records older than DECISION_LOG_RETENTION_MONTHS (25), as decision_eraser")
    command("export", "write checkpoint, tiles and entry bundles into a folder").add_argument("folder", type=Path)
    return top
