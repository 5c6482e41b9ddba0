"""`docker compose --profile dynamodb up`: vectors are published to an emulator of DynamoDB, and answers come from there."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from stack.compose import CLIENT, Compose, eventually

pytestmark = pytest.mark.timeout(180, func_only=True)
NEW = 4_000_000
VECTOR = {
    "nb_previous_loans": 3,
    "avg_amount_loans_previous": 100.5,
    "age": 40,
    "years_on_the_job": 2,
    "flag_own_car": 1,
}


@pytest.fixture(scope="module")
def profile(compose: Compose) -> Iterator[Compose]:
    """The running system with the profile beside it; afterwards it reads from PostgreSQL again."""
    with_profile = compose.with_profile("dynamodb")
    with_profile("build", "--quiet", "dynamodb", timeout=600)
    try:
        with_profile("up", "-d", "--wait")
        with_profile("restart", "feature-service")
        eventually(lambda: compose.get("health/ready", "feature-service", 8001).status_code == 200)
        yield with_profile
    finally:
        with_profile("run", "--rm", "--no-deps", "-T", "publisher", "python", "-m", "db_init", "publish", "--stop")
        with_profile("rm", "--stop", "--force", "publisher", "dynamodb")
        compose("restart", "feature-service")
        eventually(lambda: compose.get(path(CLIENT)).status_code == 200)


def path(client_id: int) -> str:
    return f"online_feature_store/client_id={client_id}"


def found(compose: Compose, client_id: int) -> tuple[int, Any]:
    answer = compose.get(path(client_id))
    return answer.status_code, answer.json().get("nb_previous_loans", answer.json().get("type"))


def test_vectors_are_read_from_the_table_which_is_filled_again_when_it_is_lost(profile: Compose) -> None:
    known = profile.get(path(CLIENT)).content
    gone = next(client for client in range(CLIENT + 1, CLIENT + 400) if found(profile, client)[0] == 200)
    base = profile.base("gateway", 8080)
    body = VECTOR | {"event_timestamp": "2026-01-01T00:00:00Z"}
    assert httpx.put(f"{base}/{path(NEW)}", json=body, timeout=10).json() == {"applied": True}
    assert httpx.delete(f"{base}/{path(gone)}", timeout=10).status_code == 204
    expected = [(200, 3), (404, "/problems/client-not-found")]
    assert [found(profile, client) for client in (NEW, gone)] == expected
    assert profile.get(f"credit_risk/client_id={NEW}").json()["input_variables"] == VECTOR
    # PostgreSQL is there, and is not asked.
    profile("stop", "dynamodb")
    assert found(profile, CLIENT) == (503, "/problems/store-unavailable")
    assert found(profile, gone) == (503, "/problems/store-unavailable")
    # What it had is lost with it: PostgreSQL has all of it, the publisher brings it.
    profile("start", "dynamodb")
    eventually(lambda: found(profile, gone)[0] == 404, 90)  # not before it has everything
    assert profile.get(path(CLIENT)).content == known
    assert [found(profile, client) for client in (NEW, gone)] == expected
    said = profile("logs", "--no-log-prefix", "publisher", "dynamodb", "feature-service")
    assert not [line for line in said.splitlines() if "Traceback" in line or '"level":"error"' in line]
