"""The assignment of clients to several databases (shards), and the setting with their URLs."""

import re
from typing import NamedTuple

_BETWEEN = re.compile(r"\s+(?=postgres(?:ql)?://)")


class Shard(NamedTuple):
    """One of the databases among which the clients are divided. `number` starts at 1; `of` is how many there are."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"database {self.number} of {self.of}"


ONLY = Shard(1, 1)
"""The only database, with all clients."""


def shard_of(client_id: int, of: int) -> int:
    """The number of the database that has the client. It must never change, because existing databases are filled by it.

    PostgreSQL has the same function. Consecutive and round ids are distributed evenly. No product is above 2**62, so that
    signed 64-bit integers are enough.
    """
    return client_id % 2147483647 * 1327217884 % 2147483629 * 48271 % 2147483647 % of + 1


def each_url(text: str) -> list[str]:
    """The URLs in a setting with one database, or with several separated by white space."""
    return _BETWEEN.split(text.strip())
