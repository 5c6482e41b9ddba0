"""Laws of what is written by hand for speed: whatever the store holds, the bytes are those of the schema."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from feature_service.store import encode, encode_batch
from prediction_service.decision import decide
from service_kit.routing import json_response
from shared_schemas import FEATURE_NAMES, MAX_CLIENT_ID, CreditRiskBatch, FeatureBatch, FeatureVector, parse_client_id

INT64 = st.none() | st.integers(-(2**63), 2**63 - 1)
INSTANTS = st.datetimes(timezones=st.just(UTC)) | st.datetimes(
    timezones=st.just(timezone(timedelta(hours=5, minutes=30)))
)


def rows(
    amounts: st.SearchStrategy[float | None], instants: st.SearchStrategy[datetime]
) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "client_id": st.integers(1, MAX_CLIENT_ID),
            "nb_previous_loans": INT64,
            "avg_amount_loans_previous": amounts,
            "age": INT64,
            "years_on_the_job": INT64,
            "flag_own_car": INT64,
            "event_timestamp": instants,
        }
    )


FINITE = st.none() | st.floats(allow_nan=False, allow_infinity=False)
ROWS = rows(FINITE, INSTANTS)


@given(ROWS)
def test_the_bytes_of_any_row_read_back_as_that_row(row: dict[str, Any]) -> None:
    vector = FeatureVector.model_validate_json(encode(row))
    assert vector.model_dump() == row


@given(rows(st.sampled_from([float("nan"), float("inf"), float("-inf")]), INSTANTS))
def test_a_number_that_is_none_is_unknown(row: dict[str, Any]) -> None:
    vector = FeatureVector.model_validate_json(encode(row))
    assert vector.model_dump() == row | {"avg_amount_loans_previous": None}


@given(st.lists(ROWS, max_size=5), st.lists(st.integers(1, 9)), st.randoms())
def test_the_bytes_of_a_batch_hold_each_id_once_where_it_belongs(
    found: list[dict[str, Any]], others: list[int], random: Any
) -> None:
    by_id: Mapping[int, dict[str, Any]] = {row["client_id"]: row for row in found}
    asked = [*by_id, *others]
    random.shuffle(asked)
    batch = FeatureBatch.model_validate_json(encode_batch(asked, {i: encode(row) for i, row in by_id.items()}))
    assert [vector.model_dump() for vector in batch.features] == [by_id[i] for i in asked if i in by_id]
    assert batch.not_found == [i for i in asked if i not in by_id]


class Coin:
    """A model that says the same of everybody."""

    version, threshold, explainer = "coin", 0.5, None

    def __init__(self, probability: float) -> None:
        self.probability = probability
        self.missing_rules = dict.fromkeys(FEATURE_NAMES, "model")

    async def probabilities(self, wanted: Any) -> list[float]:
        return [self.probability] * len(wanted)


STORED = st.none() | st.booleans() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
ODD_ROWS = ROWS | st.builds(lambda row, odd: row | odd, ROWS, st.dictionaries(st.sampled_from(FEATURE_NAMES), STORED))


@given(st.lists(ODD_ROWS, max_size=4), st.floats(0, 1))
@example([], 1.0)
def test_the_bytes_of_any_decision_are_those_of_the_schema(vectors: list[dict[str, Any]], probability: float) -> None:
    answers = asyncio.run(decide(Coin(probability), vectors))
    body = bytes(json_response({"predictions": answers, "not_found": []}).body)
    read = CreditRiskBatch.model_validate_json(body).predictions
    assert [risk.model_dump(exclude_unset=True) for risk in read] == answers


@given(st.text() | st.integers().map(str) | st.integers(MAX_CLIENT_ID - 5, MAX_CLIENT_ID + 5).map(str))
@example("01")
@example("+1")
@example("1_0")
@example("٥")
@example("5\n")
def test_any_text_names_one_client_or_none(text: str) -> None:
    client_id = parse_client_id(text)
    if client_id is None:
        assert text not in {"1", str(MAX_CLIENT_ID)}
    else:
        assert str(client_id) == text
        assert 1 <= client_id <= MAX_CLIENT_ID


@given(st.integers(1, MAX_CLIENT_ID))
def test_every_client_has_an_address(client_id: int) -> None:
    assert parse_client_id(str(client_id)) == client_id
