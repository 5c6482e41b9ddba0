"""Converts answers of DynamoDB to rows of the online store. An answer that does not match the request is a Fault."""

from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from feature_service.store.dynamodb.faults import Fault, garbled
from feature_service.store.online import Row
from shared_schemas.online_items import TableAddress


class Page(NamedTuple):
    items: Sequence[Mapping[str, Any]]
    unprocessed: Sequence[int]


def batch_get(address: TableAddress, client_ids: Collection[int]) -> dict[str, Any]:
    keys = [{"client_id": {"N": str(client_id)}} for client_id in client_ids]
    return {"RequestItems": {address.table: {"Keys": keys, "ConsistentRead": address.consistent}}}


def read_page(answer: Mapping[str, Any], table: str, asked: Collection[int]) -> Page:
    """The items of an answer, and the keys that DynamoDB left for another request. Raises Fault."""
    try:
        rest = answer["UnprocessedKeys"].get(table)
        unprocessed = [int(key["client_id"]["N"]) for key in rest["Keys"]] if rest else []
        found = answer["Responses"]
        items = found[table] if len(unprocessed) < len(asked) else found.get(table, [])
        ids = [int(item["client_id"]["N"]) for item in items]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise garbled("not a batch") from error
    answered = {*ids, *unprocessed}
    if len(answered) < len(ids) + len(unprocessed) or not answered <= set(asked):
        raise garbled("other keys than asked for")
    return Page(items, unprocessed)


def read_row(item: Mapping[str, Any]) -> Row | None:
    """The row of an item; None for a tombstone. Raises Fault."""
    try:
        client_id, _ = int(item["client_id"]["N"]), int(item["rev"]["N"])
        if "gone" in item:
            return None
        times = item.get("times")
        sent = int(item["at"]["N"]).to_bytes(8, signed=True)
        return client_id, sent, item["v"]["S"], times["S"] if times else None
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise _foreign() from error


def read_set(item: Mapping[str, Any]) -> dict[str, Any]:
    """The feature set in force, as a row of feature_sets. Raises Fault."""
    try:
        row: dict[str, Any] = {name: item[name]["S"] for name in ("digest", "document", "retained")}
        row["id"] = int(item["rev"]["N"])
    except (KeyError, TypeError, ValueError) as error:
        raise _foreign() from error
    retained = sha256(row["retained"].encode()).hexdigest()
    return row | {"mark": f"{row['id']} {row['digest']} {retained}"}


def _foreign() -> Fault:
    return Fault("dynamodb_item_not_ours", "an item lacks what a vector has", again=False)
