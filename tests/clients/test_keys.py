"""Clients that carry an API key, each in its own way."""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import httpx
import pytest

from clients.conftest import local_stack
from clients.environments import SCRIPTS, run
from db_init.feature_sets.feast_repo import write_repository
from service_kit.access.keys import new_key
from shared_schemas import FeatureSet

pytestmark = [
    pytest.mark.timeout(1200),
    pytest.mark.skipif("CLIENTS_URL" in os.environ, reason="the stack of CLIENTS_URL has no keys of these tests"),
]


def line(key: str, scopes: str) -> str:
    return f"name=k{sha256(key.encode()).hexdigest()[:8]} scopes={scopes} sha256={sha256(key.encode()).hexdigest()}"


@pytest.fixture(scope="module")
def keyed(folder: Path) -> Iterator[tuple[str, str]]:
    """A stack, and a key for it that may read features and ask for predictions."""
    key = new_key()
    lines = line(key, "features:read,predict")
    variables = {f"{service}_API_KEYS": lines for service in ("FEATURE_SERVICE", "PREDICTION_SERVICE")}
    with local_stack(folder, PREDICTION_SERVICE_FEATURE_SERVICE_API_KEY=key, **variables) as base:
        yield base, key


def test_feast_sends_a_key_as_its_token(
    keyed: tuple[str, str], programs: Callable[[str], Path], tmp_path: Path
) -> None:
    (base, key), feast = keyed, programs("feast")
    headers = {"X-API-Key": key}
    definitions = httpx.get(f"{base}/feature_definitions", headers=headers).json()
    feature_set = FeatureSet.model_validate({"name": definitions["name"], "feature": definitions["features"]})
    write_repository(tmp_path / "repo", feature_set, f"{base}/feast")
    configuration = tmp_path / "repo" / "feature_store.yaml"
    run(feast / "feast", "apply", folder=tmp_path / "repo", FEAST_USAGE="False")
    configuration.write_text(configuration.read_text() + f"auth:\n  type: oidc\n  token: {key}\n")
    script = SCRIPTS / "feast_with_a_key.py"
    run(feast / "python", script, base, 5008804, folder=tmp_path / "repo", FEAST_USAGE="False")


def test_triton_sends_a_key_in_a_header(keyed: tuple[str, str], programs: Callable[[str], Path]) -> None:
    run(programs("triton") / "python", SCRIPTS / "triton_asks.py", *keyed)
