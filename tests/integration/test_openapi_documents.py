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
from psycopg.sql import SQL
from pydantic import SecretStr

from credit_default import SET
from feature_service.app import create_app as create_feature_app
from feature_service.settings import Settings as FeatureSettings
from local_stack.postgres import Server
from openapi_hooks import CLIENTS
from prediction_service.app import create_app as create_prediction_app
from prediction_service.settings import Settings as PredictionSettings
from service_kit.access.keys import digest_of, new_key
from service_kit.server.direct import protocol_for
from service_kit.settings import ServiceSettings

TESTS = Path(__file__).parents[1]
LEAST_CASES = 2_000
EXAMPLES = {"features": 130, "predictions": 24}  # of each operation
LONGEST_SECONDS = 600
ELSEWHERE = r"^/(v2|feast|invocations|get-online-features|push|write-to-online-store|decisions|outcomes|monitoring|decision_log)"
INSERT = """
    INSERT INTO online_features (client_id, event_timestamp, v)
    SELECT n, '2020-01-01+00', json_build_object({values}) FROM generate_series(1, %s) AS n
"""


def values() -> str:
    """Arguments of json_build_object: each feature, and a value of it that differs from client to client, or null."""
    return ", ".join(
        f"'{feature.key}', nullif(mod(n, {2 if feature.type == 'flag' else 60}), 7)" for feature in SET.features
    )


@contextmanager
def listening(app: FastAPI) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, http=protocol_for(ServiceSettings()), log_config=None, timeout_graceful_shutdown=1)
    )
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
        connection.execute(SQL(INSERT).format(values=SQL(values())), [CLIENTS])
    key = new_key()
    line = SecretStr(f"name=fuzz scopes=admin sha256={digest_of(key.encode()).hex()}")
    reader, writer = (SecretStr(server.url(database, user=role)) for role in ("feature_service", "feature_writer"))
    feature_settings = FeatureSettings(database_url=reader, writer_database_url=writer, api_keys=line)
    with ExitStack() as stack:
        features = stack.enter_context(listening(create_feature_app(feature_settings)))
        settings = PredictionSettings(
            feature_service_url=features,
            feature_service_api_key=key,
            model_dir=model_dir,
            api_keys=line,
            decision_log=False,
        )
        predictions = stack.enter_context(listening(create_prediction_app(settings)))
        yield {"features": features, "predictions": predictions}, key


@pytest.mark.timeout(2 * LONGEST_SECONDS + 30)
@pytest.mark.parametrize("service", ["features", "predictions"])
def test_every_answer_is_one_that_the_document_describes(
    addresses: tuple[dict[str, str], str], tmp_path: Path, service: str
) -> None:
    urls, key = addresses
    hooked = os.environ | {"SCHEMATHESIS_HOOKS": "openapi_hooks", "PYTHONPATH": str(TESTS)}
    # What others define, or a record that must exist, is not all said by a schema: valid requests may be refused there.
    generated = _tried(urls[service], key, tmp_path, hooked, service, f"--exclude-path-regex={ELSEWHERE}")
    loose = (f"--include-path-regex={ELSEWHERE}", "--exclude-checks=positive_data_acceptance")
    generated += _tried(urls[service], key, tmp_path, hooked, service, *loose)
    assert generated >= LEAST_CASES


def _tried(url: str, key: str, folder: Path, hooked: dict[str, str], service: str, *options: str) -> int:
    """How many requests were generated, all of which were answered as the document says."""
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json", "--checks=all",
            f"--header=X-API-Key: {key}", f"--max-examples={EXAMPLES[service]}", "--seed=7", "--no-shrink",
            "--continue-on-failure", "--no-color", *options,
        ],
        cwd=folder, env=hooked, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:]
    counted = re.search(r"(\d+) generated", done.stdout)
    assert counted
    return int(counted[1])
