"""The logs of all containers, after everything that the other tests have done to them. Runs last: its name sees to that."""

import json
import re

import httpx
import pytest

from stack.compose import CLIENT, Compose, docker

RANDOM_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""One in a hundred thousand of them holds, by chance, what looks like one of those clients."""

pytestmark = pytest.mark.timeout(120, func_only=True)


def test_no_log_holds_a_client_a_value_or_a_secret(compose: Compose) -> None:
    wanted = list(range(CLIENT, CLIENT + 400))
    found = httpx.post(f"{compose.front}/online_feature_store/batch", json={"client_ids": wanted}, timeout=10).json()
    decided = httpx.post(f"{compose.front}/credit_risk/batch", json={"client_ids": wanted}, timeout=10).json()
    httpx.get(f"{compose.front}/credit_risk/client_id={CLIENT}", headers={"X-API-Key": "a-key-that-somebody-sends"})
    httpx.get(f"{compose.front}/credit_risk/client_id={CLIENT}x")
    amounts = {vector["avg_amount_loans_previous"] for vector in found["features"]} - {None}
    values = {json.dumps(amount) for amount in amounts if len(json.dumps(amount)) > 8}
    values |= {json.dumps(decision["probability"]) for decision in decided["predictions"]}
    assert len(values) > 200
    telling = values | {"a-key-that-somebody-sends"} | set(compose.secrets())
    clients = re.compile(rf"(?<![0-9]){str(CLIENT)[:4]}[0-9]{{{len(str(CLIENT)) - 4}}}(?![0-9])")
    for container in compose.containers(all=True):
        name = docker("inspect", "-f", "{{.Name}}", container).strip()
        log = RANDOM_ID.sub("", docker("logs", container, both=True))
        assert not clients.search(log), name
        assert not any(text in log for text in telling), name
        if "-service-" in name:
            assert '"event":"request"' in log
