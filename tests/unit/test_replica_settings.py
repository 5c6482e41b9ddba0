"""Which settings of replicas go together, and the hosts of a URL."""

from typing import Any

import pytest
from pydantic import ValidationError

from feature_service.settings import Settings
from feature_service.store.replicas.replica import each_host

REPLICA = "postgresql://feature_service@replica/features"


@pytest.mark.parametrize(
    "options",
    [
        {"replica_url": REPLICA},
        {"max_store_lag_ms": 1000},
        {"replica_url": REPLICA, "max_store_lag_ms": 99},
        {"replica_url": REPLICA, "max_store_lag_ms": 1000, "online_store": "dynamodb://t?region=eu-central-1"},
    ],
)
def test_replicas_and_their_bound_belong_together_and_to_postgresql(options: dict[str, Any]) -> None:
    assert Settings(replica_url=REPLICA, max_store_lag_ms=1000).max_store_lag_seconds == 1
    with pytest.raises(ValidationError):
        Settings(**options)


@pytest.mark.parametrize(
    ("url", "urls"),
    [
        (REPLICA, [REPLICA]),
        ("postgresql://u:p@a:1,b:2/d?sslmode=require", ["postgresql://u:p@a:1/d?sslmode=require", "postgresql://u:p@b:2/d?sslmode=require"]),
        ("postgresql://u@[::1]:1,[::2]/d", ["postgresql://u@[::1]:1/d", "postgresql://u@[::2]/d"]),
        ("postgresql://u@/d?host=%2Ftmp", ["postgresql://u@/d?host=%2Ftmp"]),
        ("postgresql://a,b", ["postgresql://a", "postgresql://b"]),
    ],
)  # fmt: skip
def test_each_host_of_a_url_is_a_replica(url: str, urls: list[str]) -> None:
    assert each_host(url) == urls
