"""Laws of what is written by hand for speed: whatever the store holds, the bytes are those of the schema."""

import asyncio
import json
import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

import credit_default
from both_services import CREDIT_DEFAULT, as_read, encoded
from feature_service.definitions.vectors import encode_batch
from prediction_service.decisions.deciding import Deciders, decide, said
from prediction_service.policy.rules import DEFAULT_POLICY
from prediction_service.scoring.quality import QualityCheck
from service_kit.operations import json_bytes
from shared_schemas import MAX_CLIENT_ID, CreditRiskBatch, FeatureBatch, FeatureVector, parse_client_id

NAMES = [feature.name for feature in CREDIT_DEFAULT.features]
INT64 = st.none() | st.integers(-(2**63), 2**63 - 1)
# What the database takes: the years 1900 to 9998.
YEARS = (datetime(1900, 1, 2), datetime(9998, 12, 30))  # noqa: DTZ001 -- the strategy adds the zone
INSTANTS = st.datetimes(*YEARS, timezones=st.just(UTC)) | st.datetimes(
    *YEARS, timezones=st.just(timezone(timedelta(hours=5, minutes=30)))
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
    vector = FeatureVector.model_validate_json(encoded(row))
    assert vector.model_dump(exclude_unset=True) == row
    amount = json.loads(encoded(row))["avg_amount_loans_previous"]
    assert amount is None or struct.pack("d", amount) == struct.pack("d", row["avg_amount_loans_previous"])


@given(st.lists(ROWS, max_size=5), st.lists(st.integers(1, 9)), st.randoms())
def test_the_bytes_of_a_batch_hold_each_id_once_where_it_belongs(
    found: list[dict[str, Any]], others: list[int], random: Any
) -> None:
    by_id: Mapping[int, dict[str, Any]] = {row["client_id"]: row for row in found}
    asked = [*by_id, *others]
    random.shuffle(asked)
    batch = FeatureBatch.model_validate_json(encode_batch(asked, {i: as_read(row) for i, row in by_id.items()}))
    assert [vector.model_dump(exclude_unset=True) for vector in batch.features] == [
        by_id[i] for i in asked if i in by_id
    ]
    assert batch.not_found == [i for i in asked if i not in by_id]


class Coin:
    """A model that says the same of everybody."""

    version, threshold, explainer = "coin", 0.5, None
    inputs = credit_default.SET.features
    quality = QualityCheck(inputs)
    missing_rules = MappingProxyType({feature.name: "model" for feature in inputs})

    def __init__(self, probability: float) -> None:
        self.probability = probability

    async def probabilities(self, wanted: Any, until: float = 0) -> list[float]:
        return [self.probability] * len(wanted)


STORED = st.none() | st.booleans() | st.text(max_size=8) | st.floats(allow_nan=False, allow_infinity=False)
ODD_ROWS = ROWS | st.builds(lambda row, odd: row | odd, ROWS, st.dictionaries(st.sampled_from(NAMES), STORED))


@given(st.lists(ODD_ROWS, max_size=4), st.floats(0, 1))
@example([], 1.0)
def test_the_bytes_of_any_decision_are_those_of_the_schema(vectors: list[dict[str, Any]], probability: float) -> None:
    decisions = asyncio.run(decide(Deciders(Coin(probability), DEFAULT_POLICY), vectors))
    answers = [said(decision, DEFAULT_POLICY, None, None) for decision in decisions]
    body = json_bytes({"predictions": answers, "not_found": []})
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
