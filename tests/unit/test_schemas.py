import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prediction_service.quality import check
from shared_schemas import (
    FEATURE_NAMES,
    FEATURES,
    MAX_CLIENT_ID,
    FeatureBatchRequest,
    FeatureValues,
    FeatureVector,
    parse_client_id,
)

GOOD = {"nb_previous_loans": 5, "avg_amount_loans_previous": 116.5, "age": 43, "years_on_the_job": 1, "flag_own_car": 1}


@given(st.integers(1, MAX_CLIENT_ID))
def test_every_client_id_is_read_from_its_decimal_form(client_id: int) -> None:
    assert parse_client_id(str(client_id)) == client_id


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "+1", "01", " 1", "1 ", "1.0", "1e3", "1_000", "abc", "٣", str(MAX_CLIENT_ID + 1), "9" * 30, "1/2"],
)
def test_nothing_else_is_a_client_id(text: str) -> None:
    assert parse_client_id(text) is None


def test_the_bodies_carry_exactly_the_defined_features() -> None:
    assert tuple(FeatureValues.model_fields) == FEATURE_NAMES
    assert [name for name in FeatureVector.model_fields if name not in ("client_id", "event_timestamp")] == list(
        FEATURE_NAMES
    )
    for feature in FEATURES:
        [schema] = [
            s for s in FeatureValues.model_json_schema()["properties"][feature.name]["anyOf"] if s["type"] != "null"
        ]
        assert schema["type"] == feature.type


@pytest.mark.parametrize("ids", [["1"], [1.0], [True], [0], [-3], [MAX_CLIENT_ID + 1], [None], "1", None])
def test_a_batch_takes_whole_numbers_only(ids: object) -> None:
    with pytest.raises(ValidationError):
        FeatureBatchRequest.model_validate({"client_ids": ids})


def test_good_values_pass_the_quality_check() -> None:
    assert check(GOOD) == ((5, 116.5, 43, 1, 1), [], [])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("age", 0), ("age", 101), ("age", -1), ("age", "43"), ("age", 43.5), ("age", True), ("age", [43]),
        ("years_on_the_job", -1), ("years_on_the_job", 101), ("nb_previous_loans", -1),
        ("avg_amount_loans_previous", -0.01), ("avg_amount_loans_previous", math.nan),
        ("avg_amount_loans_previous", math.inf), ("avg_amount_loans_previous", "12"), ("flag_own_car", 2), ("flag_own_car", -1),
    ],
)  # fmt: skip
def test_a_value_that_fails_its_check_counts_as_missing(name: str, value: object) -> None:
    quality = check(GOOD | {name: value})
    assert quality.failed == [name]
    assert quality.missing == [name]
    assert quality.values[FEATURE_NAMES.index(name)] is None


@pytest.mark.parametrize(
    ("name", "value"), [("age", 1), ("age", 100), ("years_on_the_job", 0), ("years_on_the_job", 100)]
)
def test_the_ends_of_a_range_are_good(name: str, value: int) -> None:
    assert check(GOOD | {name: value}).failed == []


def test_a_null_is_missing_but_has_not_failed() -> None:
    assert check(GOOD | {"age": None}) == ((5, 116.5, None, 1, 1), [], ["age"])
