from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared_schemas import (
    MAX_CLIENT_ID,
    FeatureBatchRequest,
    Instant,
    parse_client_id,
)


@given(st.integers(1, MAX_CLIENT_ID))
def test_every_client_id_is_read_from_its_decimal_form(client_id: int) -> None:
    assert parse_client_id(str(client_id)) == client_id


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "1_000", "abc", "٣", str(MAX_CLIENT_ID + 1), "9" * 30, "1/2"],
)
def test_nothing_else_is_a_client_id(text: str) -> None:
    assert parse_client_id(text) is None


@pytest.mark.parametrize("ids", [["1"], [1.0], [True], [0], [-3], [MAX_CLIENT_ID + 1], [None], "1", None])
def test_a_batch_takes_whole_numbers_only(ids: object) -> None:
    with pytest.raises(ValidationError):
        FeatureBatchRequest.model_validate({"client_ids": ids})


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("1900-01-01T00:00:00Z", True),
        ("9998-12-31T23:59:59.999999Z", True),
        ("1899-12-31T23:59:59.999999Z", False),
        ("1900-01-01T00:00:00+01:00", False),
        ("9999-01-01T00:00:00Z", False),
        ("9998-12-31T23:59:59-01:00", False),
        ("9999-12-31T23:59:59.999999Z", False),
        ("0001-01-01T00:00:00Z", False),
    ],
)
def test_an_instant_is_of_a_year_that_every_part_can_hold(text: str, taken: bool) -> None:
    instants: TypeAdapter[datetime] = TypeAdapter(Instant)
    if taken:
        assert instants.validate_python(text) == datetime.fromisoformat(text)
    else:
        with pytest.raises(ValidationError):
            instants.validate_python(text)
