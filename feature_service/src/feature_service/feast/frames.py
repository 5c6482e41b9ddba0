"""Converts the columns that a Feast client writes to one write for each client."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from feature_service.definitions.served import ServedSet
from feature_service.feast.messages import Columns, refused
from feature_service.feast.names import JOIN_KEY
from feature_service.store.online import Said
from service_kit.request.refusals import invalid_request
from shared_schemas import MAX_CLIENT_ID, Feature, parse_client_id

_INSTANT, _CREATED = "event_timestamp", "created"
_FORM = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)?", re.ASCII)


class Row(NamedTuple):
    """One row of a frame."""

    client_id: int
    said: Said


def rows_of(frame: Columns, served: ServedSet, most_rows: int) -> list[Row]:
    """The rows of a frame, each validated like the body of a PUT. Raises InvalidRequest if any row is not valid.

    Columns of features may be absent; then the row does not write these features. A null is a written value.
    """
    if JOIN_KEY not in frame or _INSTANT not in frame:
        raise refused("#/df", f"The columns {JOIN_KEY} and {_INSTANT} are needed")
    lengths = {len(values) for values in frame.values()}
    if len(lengths) != 1 or not 1 <= max(lengths) <= most_rows:
        raise refused("#/df", f"The columns are of one length, 1 to {most_rows} rows")
    by_name = {feature.name: feature for feature in served.features}
    names = [name for name in frame if name not in (JOIN_KEY, _INSTANT, _CREATED)]
    columns = [_plain(by_name.get(name), frame[name]) for name in names]
    instants = [_instant(given) for given in frame[_INSTANT]]
    ids = [_client_id(given) for given in frame[JOIN_KEY]]
    return [
        Row(client_id, _said(served, dict(zip(names, values, strict=True)) | {_INSTANT: instant}))
        for client_id, instant, values in zip(
            ids, instants, zip(*columns, strict=True) if columns else [()] * len(ids), strict=True
        )
    ]


def _said(served: ServedSet, write: dict[str, Any]) -> Said:
    try:
        checked = served.writes.validate_python(write)
    except ValidationError as error:
        raise invalid_request("body", error) from error
    return Said(checked[_INSTANT], served.said(checked))


def _plain(feature: Feature | None, values: Sequence[Any]) -> list[Any]:
    """Undo what a data frame does to missing values: NaN, and whole numbers as floats."""
    if feature is None:
        raise refused("#/df", "There is a column that is no feature of the view")
    whole = feature.whole
    return [
        None
        if value is None or value != value  # noqa: PLR0124 -- only NaN differs from itself
        else int(value)
        if isinstance(value, bool) or (whole and isinstance(value, float) and value.is_integer())
        else value
        for value in values
    ]


def _client_id(given: object) -> int:
    client_id = parse_client_id(given) if isinstance(given, str) else given
    if not isinstance(client_id, int) or isinstance(client_id, bool) or not 1 <= client_id <= MAX_CLIENT_ID:
        raise refused(f"#/df/{JOIN_KEY}", "A client id is a whole number from 1 to 2^63 - 1")
    return client_id


def _instant(given: object) -> datetime:
    """An instant as Feast writes it. Without a time zone it is in UTC."""
    text = given if isinstance(given, str) and _FORM.fullmatch(given) else ""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise refused(
            f"#/df/{_INSTANT}", "Write 2022-05-13 10:59:42 or 2022-05-13T10:59:42, with a zone or in UTC"
        ) from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
