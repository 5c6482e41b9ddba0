"""Which of several databases knows a client, and which settings name several."""

import pytest
from pydantic import SecretStr, ValidationError

from feature_service.settings import Settings
from shared_schemas.shards import each_url, shard_of


def test_where_a_client_is_never_changes() -> None:
    known = {1: (2, 1), 2: (1, 1), 5036067: (1, 3), 2**31 - 1: (1, 1), 2**63 - 1: (2, 1)}
    assert {client_id: (shard_of(client_id, 2), shard_of(client_id, 3)) for client_id in known} == known


@pytest.mark.parametrize("of", [2, 3, 5, 16])
@pytest.mark.parametrize("step", [1, 2, 10, 64, 1000, 6765, 2**31, 2**32])
def test_ids_are_spread_whatever_is_between_them(of: int, step: int) -> None:
    clients = range(5_000_000, 5_000_000 + 20_000 * step, step)
    counted = [0] * of
    for client_id in clients:
        counted[shard_of(client_id, of) - 1] += 1
    assert max(counted) < 1.15 * len(clients) / of


def test_urls_have_white_space_between_them() -> None:
    two = "postgresql://a@one,two/features?host=/x  \n postgres://b:p%20w@three/features\n"
    assert each_url(two) == ["postgresql://a@one,two/features?host=/x", "postgres://b:p%20w@three/features"]
    assert each_url("host=one dbname=features") == ["host=one dbname=features"]
    assert each_url("") == [""]


@pytest.mark.parametrize(
    ("refused", "why"),
    [
        ({"writer_database_url": SecretStr("postgresql://w@one/f")}, "same databases"),
        ({"replica_url": "postgresql://r@one/f", "max_store_lag_ms": 1000}, "no REPLICA_URL"),
        ({"online_store": "dynamodb://vectors?region=eu-central-1"}, "ONLINE_STORE"),
    ],
)
def test_settings_that_several_databases_do_not_go_with_are_refused(refused: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Settings(database_url=SecretStr("postgresql://r@one/f postgresql://r@two/f"), **refused)  # type: ignore[arg-type]  # settings of any kind
