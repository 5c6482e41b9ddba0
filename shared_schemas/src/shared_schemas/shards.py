"""Which of several databases knows a client, and how their URLs are written."""

import re
from typing import NamedTuple

_BETWEEN = re.compile(r"\s+(?=postgres(?:ql)?://)")


class Shard(NamedTuple):
    """Database `number`, from 1, of the databases that share the clients."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"database {self.number} of {self.of}"


ONLY = Shard(1, 1)
"""One database, which knows all clients."""


def shard_of(client_id: int, of: int) -> int:
    """The number of the database that knows the client. Also a function of PostgreSQL. Never changed: databases are filled by it.

    Neighbouring and round ids are spread alike. No product is above 2**62, so that 64-bit integers compute it anywhere.
    """
    return client_id % 2147483647 * 1327217884 % 2147483629 * 48271 % 2147483647 % of + 1


def each_url(text: str) -> list[str]:
    """The URLs of a setting that names one database, or several with white space between them."""
    return _BETWEEN.split(text.strip())
