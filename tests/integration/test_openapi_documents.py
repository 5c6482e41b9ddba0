"""Generated requests, valid and not, against both running services: each answer must be as its OpenAPI document says."""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr

from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.postgres import Server
from openapi_hooks import CLIENTS
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.api_keys import digest_of, new_key
from service_kit.protocol import LimitedProtocol

TESTS = Path(__file__).parents[1]
LEAST_CASES = 2_000
LONGEST_SECONDS = 240
INSERT = """
    INSERT INTO online_features SELECT n, mod(n, 60), 100 + n, 20 + mod(n, 60), NULL, mod(n, 2), timestamptz '2020-01-01+00'
      FROM generate_series(1, %s) AS n
"""


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=LimitedProtocol, log_config=None, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


@pytest.fixture
def addresses(server: Server, database: str, model_dir: Path) -> Iterator[tuple[dict[str, str], str]]:
    """Both services' addresses, and a key that may everything."""
    with psycopg.connect(server.url(database)) as connection:
        connection.execute(INSERT, [CLIENTS])
    key = new_key()
    line = SecretStr(f"name=fuzz scopes=admin sha256={digest_of(key.encode()).hex()}")
    reader, writer = (SecretStr(server.url(database, user=role)) for role in ("feature_service", "feature_writer"))
    feature_settings = FeatureSettings(database_url=reader, writer_database_url=writer, api_keys=line)
    with ExitStack() as stack:
        features = stack.enter_context(listening(create_feature_app(feature_settings)))
        settings = PredictionSettings(
            feature_service_url=features, feature_service_api_key=key, model_dir=model_dir, api_keys=line
        )
        predictions = stack.enter_context(listening(create_prediction_app(settings)))
        yield {"features": features, "predictions": predictions}, key


@pytest.mark.timeout(LONGEST_SECONDS + 30)
@pytest.mark.parametrize("service", ["features", "predictions"])
def test_every_answer_is_one_that_the_document_describes(
    addresses: tuple[dict[str, str], str], tmp_path: Path, service: str
) -> None:
    urls, key = addresses
    hooked = os.environ | {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{urls[service]}/openapi.json", "--checks=all",
            f"--header=X-API-Key: {key}", "--max-examples=500", "--seed=7", "--no-shrink", "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path, env=hooked, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:]
    counted = re.search(r"(\d+) generated", done.stdout)
    assert counted
    assert int(counted[1]) >= LEAST_CASES
