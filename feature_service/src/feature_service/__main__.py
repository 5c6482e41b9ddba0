"""Runs the feature service: `python -m feature_service`, configured by FEATURE_SERVICE_* variables."""

import argparse
import signal
import sys
from collections.abc import Sequence

# Imports take seconds: an interrupt meanwhile ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from feature_service.settings import Settings
from service_kit.service import run_service


def main(given: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(
        prog="python -m feature_service",
        description="Answers what is known about a client. Configured by FEATURE_SERVICE_* variables; takes no arguments.",
    ).parse_args(given)
    run_service("feature_service.app:create_app", Settings())
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
