"""Entry point: `python -m prediction_service` starts the service; its commands manage the registry folder."""

import signal
import sys

# Imports take seconds: Ctrl-C during an import ends the process without a traceback.
if __name__ == "__main__" and (on_interrupt := signal.getsignal(signal.SIGINT)) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

from prediction_service.commands import main

if __name__ == "__main__":
    signal.signal(signal.SIGINT, on_interrupt)
    sys.exit(main())
