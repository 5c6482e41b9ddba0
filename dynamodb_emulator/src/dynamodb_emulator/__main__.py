"""Runs the emulator: `python -m dynamodb_emulator`. BIND_HOST and GATEWAY_PORT say where it listens."""

import os
import runpy

_DEFAULTS = {
    "BIND_HOST": "127.0.0.1",
    "GATEWAY_PORT": "8009",
    "SERVICES": "dynamodb,sts",
    "LOG_LEVEL": "WARNING",
    # It stops containers that it takes for its own: it gets no way to an engine.
    "DOCKER_HOST": "unix:///nonexistent",
}

if __name__ == "__main__":
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    runpy.run_module("ministack", run_name="__main__")
