"""`docker compose -f docker-compose.yml -f deploy/two-databases.yml up`: both answer, and one that stops takes only its own
clients with it."""

from collections.abc import Iterator

import httpx
import pytest

from shared_schemas.shards import shard_of
from stack.compose import CLIENT, Compose, docker, eventually

pytestmark = pytest.mark.timeout(240, func_only=True)
AWAY = (503, "/problems/store-unavailable")


@pytest.fixture(scope="module")
def two(images: None) -> Iterator[Compose]:
    running = Compose("deploy/two-databases.yml")
    try:
        running("up", "-d", "--wait", "gateway")  # and what that needs: features, no predictions
        yield running
    finally:
        running("down", "-v", "--timeout", "5")


def batch(compose: Compose, client_ids: list[int]) -> httpx.Response:
    return httpx.post(f"{compose.front}/online_feature_store/batch", json={"client_ids": client_ids}, timeout=10)


def asked(compose: Compose, client_id: int) -> httpx.Response:
    return httpx.get(f"{compose.front}/online_feature_store/client_id={client_id}", timeout=10)


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json().get("type", "")


def stored(compose: Compose, database: str) -> set[int]:
    [container] = compose.containers(database)
    query = "SELECT client_id FROM online_features"
    return set(map(int, docker("exec", container, "psql", "-U", "owner", "-Atc", query, "features").split()))


def test_a_stopped_database_is_an_outage_of_its_own_clients_only(two: Compose) -> None:
    everyone = [vector["client_id"] for vector in batch(two, list(range(CLIENT, CLIENT + 400))).json()["features"]]
    first, second = ([one for one in everyone if shard_of(one, 2) == number][:20] for number in (1, 2))
    assert len(first) == len(second) == 20
    of_one, of_other = stored(two, "db"), stored(two, "db-2")
    assert {*first} <= of_one
    assert {*second} <= of_other
    assert of_one & of_other == set()
    known = {one: asked(two, one).raise_for_status().content for one in [*first, *second]}

    two("stop", "db-2")
    for one, other in zip(first, second, strict=True):
        assert asked(two, one).content == known[one]
        assert problem(asked(two, other)) == AWAY
    assert [vector["client_id"] for vector in batch(two, first).raise_for_status().json()["features"]] == first
    assert problem(batch(two, [first[0], second[0]])) == AWAY
    ready = two.get("health/ready", "feature-service", 8001)
    assert (ready.status_code, ready.json()["database_1"], ready.json()["database_2"]) == (200, "ready", "away")

    two("start", "db-2")
    eventually(lambda: asked(two, second[0]).status_code == 200)
    assert {one: asked(two, one).content for one in known} == known
