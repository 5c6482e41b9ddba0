"""Vectors in a DynamoDB table: the address of the table, and the items that the feature service and the publisher write.

An item has the client_id and `rev`, a revision that rises with each change of the client. `v` and `times` (JSON) and `at` (the
event timestamp in microseconds since 2000-01-01) are stored as PostgreSQL sends them, so that the vector is equal to the bit. An
erased client is a tombstone: it has `gone` instead, the second since 1970 at which DynamoDB deletes the item. The item of client 0
is the feature set in force.
"""

import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

FEATURE_SET = 0
"""Key of the item with the feature set. Keys of clients are positive."""
MOST_KEYS = 100
"""Maximum number of keys in one BatchGetItem."""
TOMBSTONE_SECONDS = 7 * 86_400
"""Lifetime of a tombstone. It refuses older writes that are still on their way, which end within seconds."""

_NEWER_WINS = "attribute_not_exists(rev) OR rev < :rev"
_FORM = "dynamodb://TABLE?region=REGION"
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+)+-[0-9]{1,2}")

Item = dict[str, dict[str, str]]


class TableAddress(NamedTuple):
    """The address of a table. `endpoint`: None is the endpoint of the region. `consistent`: whether reads are strongly consistent."""

    table: str
    region: str
    endpoint: str | None = None
    consistent: bool = True

    @classmethod
    def read(cls, text: str) -> "TableAddress":
        """Parse dynamodb://TABLE?region=REGION[&endpoint=URL][&consistent=false]. Raises ValueError."""
        parts = urlsplit(text)
        said = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        region, endpoint = said.pop("region", ""), said.pop("endpoint", None)
        consistent = said.pop("consistent", "true")
        if parts.scheme != "dynamodb" or parts.path or said or consistent not in ("true", "false"):
            raise ValueError(f"the form is {_FORM}[&endpoint=URL][&consistent=false]")
        if not _TABLE.fullmatch(parts.netloc):
            raise ValueError(f"no name of a table stands in {_FORM}")
        if not _REGION.fullmatch(region):
            raise ValueError("region must be that of the table, such as eu-central-1")
        if endpoint is not None and not endpoint.startswith(("http://", "https://")):
            raise ValueError("endpoint must be the address of a server, http:// or https://")
        return cls(parts.netloc, region, endpoint, consistent == "true")


class Change(NamedTuple):
    """A client's vector under a revision. `at` is None if the client was erased."""

    client_id: int
    rev: int
    at: int | None = None
    v: str = ""
    times: str | None = None

    @classmethod
    def of_row(cls, client_id: int, rev: int, sent: bytes | None, v: str | None, times: str | None) -> "Change":
        """`sent`: the event timestamp as PostgreSQL sends it."""
        at = None if sent is None else int.from_bytes(sent, "big", signed=True)
        return cls(client_id, rev, at, v or "", times)

    def item(self, now: float) -> Item:
        """`now`: seconds since 1970."""
        item = {"client_id": {"N": str(self.client_id)}, "rev": {"N": str(self.rev)}}
        if self.at is None:
            return item | {"gone": {"N": str(int(now) + TOMBSTONE_SECONDS)}}
        item |= {"at": {"N": str(self.at)}, "v": {"S": self.v}}
        return item if self.times is None else item | {"times": {"S": self.times}}


def put_if_newer(table: str, item: Item) -> dict[str, Any]:
    """The PutItem request that stores `item` unless the table has the same or a later revision of it."""
    return {
        "TableName": table,
        "Item": item,
        "ConditionExpression": _NEWER_WINS,
        "ExpressionAttributeValues": {":rev": item["rev"]},
    }
