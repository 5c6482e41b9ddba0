import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import credit_default
from prediction_service.scoring.quality import QualityCheck
from shared_schemas import Feature

GOOD = {"nb_previous_loans": 5, "avg_amount_loans_previous": 116.5, "age": 43, "years_on_the_job": 1, "flag_own_car": 1}
check = QualityCheck(credit_default.SET.features).check


def test_good_values_pass_the_quality_check() -> None:
    assert check(GOOD) == ((5, 116.5, 43, 1, 1), [], [], [])


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
    assert quality.values[credit_default.NAMES.index(name)] is None


@pytest.mark.parametrize(
    ("name", "value"), [("age", 1), ("age", 100), ("years_on_the_job", 0), ("years_on_the_job", 100)]
)
def test_the_ends_of_a_range_are_good(name: str, value: int) -> None:
    assert check(GOOD | {name: value}).failed == []


def test_a_null_is_missing_but_has_not_failed() -> None:
    assert check(GOOD | {"age": None}) == ((5, 116.5, None, 1, 1), [], ["age"], [])


def feature(name: str, **said: Any) -> Feature:
    return Feature.model_validate({"name": name, "type": "number", "description": "A number."} | said)


PURPOSE = feature("purpose", type="category", categories=["car", "NaN", "null"], max_age_days=30)
RATE = feature("model_rate", exclusive_maximum=1.0)
mixed = QualityCheck([PURPOSE, RATE]).check


@pytest.mark.parametrize(("value", "code"), [("car", 0.0), ("NaN", 1.0), ("null", 2.0)])
def test_a_category_becomes_its_position_whatever_it_is_called(value: str, code: float) -> None:
    assert mixed({"purpose": value, "model_rate": 0.5}).values == (code, 0.5)


@pytest.mark.parametrize("value", ["boat", "", 1, 0.0, True, ["car"], {"car": 1}])
def test_a_value_outside_of_the_list_fails(value: object) -> None:
    assert mixed({"purpose": value, "model_rate": 0.5}) == ((None, 0.5), ["purpose"], ["purpose"], [])


def test_an_exclusive_bound_excludes_itself() -> None:
    assert mixed({"purpose": "car", "model_rate": 1.0}).failed == ["model_rate"]


EVENT = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("days", "stale"), [(30, []), (31, ["purpose"])])
def test_a_value_of_an_event_that_is_too_long_ago_is_stale_and_counts_as_missing(days: int, stale: list[str]) -> None:
    vector = {"purpose": "car", "model_rate": 0.5, "event_timestamp": EVENT}
    quality = mixed(vector, EVENT + timedelta(days=days))
    assert (quality.stale, quality.missing, quality.failed) == (stale, stale, [])


def test_the_instant_of_the_features_own_event_counts() -> None:
    later = EVENT + timedelta(days=25)
    vector = {"purpose": "car", "model_rate": 0.5, "event_timestamp": later, "feature_timestamps": {"purpose": EVENT}}
    assert mixed(vector, later + timedelta(days=10)).stale == ["purpose"]
    assert mixed(vector, later).stale == []


def test_what_is_missing_is_not_stale() -> None:
    vector = {"purpose": None, "model_rate": 0.5, "event_timestamp": EVENT}
    assert mixed(vector, EVENT + timedelta(days=99)).stale == []
