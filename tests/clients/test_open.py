"""Clients as their users have them, against a stack without keys. `pytest -s` shows what they say."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from clients.environments import SCRIPTS, run
from db_init.feature_sets.feast_repo import write_repository
from shared_schemas import FeatureSet

pytestmark = pytest.mark.timeout(1200)
MISSING = 9_223_372_036_854_775_806


def first_client(base: str) -> int:
    client_id: int = httpx.get(f"{base}/online_feature_store", params={"limit": 1}).json()["features"][0]["client_id"]
    return client_id


def repository(base: str, folder: Path) -> Path:
    definitions = httpx.get(f"{base}/feature_definitions").json()
    feature_set = FeatureSet.model_validate({"name": definitions["name"], "feature": definitions["features"]})
    write_repository(folder, feature_set, f"{base}/feast")
    return folder


def test_feast_reads_and_writes(open_stack: str, programs: Callable[[str], Path], tmp_path: Path) -> None:
    repo, feast = repository(open_stack, tmp_path / "repo"), programs("feast")
    run(feast / "feast", "apply", folder=repo, FEAST_USAGE="False")
    script = SCRIPTS / "feast_reads_and_writes.py"
    run(feast / "python", script, open_stack, first_client(open_stack), MISSING, folder=repo, FEAST_USAGE="False")


@pytest.mark.parametrize("client", ["triton", "kserve", "mlflow"])
def test_scores_are_asked_for(open_stack: str, programs: Callable[[str], Path], client: str) -> None:
    run(programs(client) / "python", SCRIPTS / f"{client}_asks.py", open_stack)


def curl(command: str) -> Any:
    """What a command line prints, less the `| jq` at its end."""
    done = subprocess.run(["bash", "-c", command.removesuffix(" | jq")], capture_output=True, text=True, check=True)
    print(f"\n$ {command}\n{done.stdout}")
    return json.loads(done.stdout) if done.stdout else None


# From Feast's documentation of its Python feature server: address, view, features, join key, ids, push source are ours.
READ = """curl -X POST \\
  "%s/feast/get-online-features" \\
  -d '{
    "features": [
      "credit_default_features:age",
      "credit_default_features:flag_own_car",
      "credit_default_features:nb_previous_loans"
    ],
    "entities": {
      "client_id": [%d, 1002, 1003]
    }
  }' | jq"""
SERVICE = """curl -X POST \\
  "%s/feast/get-online-features" \\
  -d '{
    "feature_service": "credit_default",
    "entities": {
      "client_id": [%d, 1002, 1003]
    }
  }' | jq"""
PUSH = """curl -X POST "%s/feast/push" -d '{
    "push_source_name": "credit_default_push",
    "df": {
            "client_id": [1001],
            "event_timestamp": ["2022-05-13 10:59:42"],
            "created": ["2022-05-13 10:59:42"],
            "avg_amount_loans_previous": [1.0],
            "flag_own_car": [1.0],
            "nb_previous_loans": [1000]
    }
  }' | jq"""


def test_the_commands_of_feasts_documentation_work_as_they_stand(open_stack: str) -> None:
    known = first_client(open_stack)
    names = ["client_id", "age", "flag_own_car", "nb_previous_loans"]
    answer = curl(READ % (open_stack, known))
    assert answer["metadata"]["feature_names"] == names
    assert answer["results"][0]["statuses"] == ["PRESENT"] * 3
    assert curl(SERVICE % (open_stack, known))["results"][0]["values"] == [known, 1002, 1003]
    assert curl(PUSH % open_stack) is None
    pushed = curl((READ % (open_stack, known)).replace("1002", "1001"))
    assert [result["values"][1] for result in pushed["results"]] == [1001, None, 1, 1000]
