"""Makes and lists API keys: `python -m service_kit keys --help`."""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from service_kit.access.keys import KEY_NAME, SCOPES, ApiKey, KeysRefused, digest_of, instant, new_key, parse_keys


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="service_kit", description="What the services' operators need.")
    keys = parser.add_subparsers(required=True).add_parser("keys", help="API keys").add_subparsers(required=True)
    new = keys.add_parser(
        "new",
        help="make a key",
        description="Prints a new key, this once, and the line that configures it: append that to the file named by "
        "FEATURE_SERVICE_API_KEYS_FILE or PREDICTION_SERVICE_API_KEYS_FILE. It is followed without a restart.",
    )
    new.add_argument("--name", required=True, type=_name, help="what logs call the key; no two keys share one")
    new.add_argument("--scope", action="append", required=True, choices=SCOPES, help="what it is for; may be repeated")
    new.add_argument("--expires", type=instant, help="from when it is refused: 2027-01-31, or an instant with offset")
    new.add_argument("--rate", type=int, help="most requests in a minute, for each process that serves")
    new.set_defaults(run=_new)
    listing = keys.add_parser("list", help="list the keys of a file")
    listing.add_argument("file", type=Path)
    listing.set_defaults(run=_list)
    return parser.parse_args(arguments)


def _name(text: str) -> str:
    if not KEY_NAME.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 1 to 64 letters, digits, dots, dashes or underscores")
    return text


def _new(options: argparse.Namespace) -> None:
    key = new_key()
    made = ApiKey(options.name, frozenset(options.scope), digest_of(key.encode()), options.expires, options.rate)
    parse_keys(made.line())
    print(f"key, shown this once:\n{key}\n\nline for the file of API keys:\n{made.line()}")


def _list(options: argparse.Namespace) -> None:
    for key in parse_keys(options.file.read_text("ascii")):
        expiry = "never expires"
        if key.expires_at is not None:
            day = datetime.fromtimestamp(key.expires_at, UTC).isoformat()
            expiry = f"{'expired' if key.expires_at <= time.time() else 'expires'} {day}"
        rate = f"{key.rate} a minute" if key.rate else "no rate limit"
        print(f"{key.name}: {', '.join(sorted(key.scopes))}; {expiry}; {rate}")


def main(arguments: list[str] | None = None) -> int:
    options = _arguments(arguments)
    try:
        options.run(options)
    except KeysRefused as reason:
        print(reason, file=sys.stderr)
        return 2
    except (OSError, UnicodeDecodeError):
        print("the file cannot be read", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
