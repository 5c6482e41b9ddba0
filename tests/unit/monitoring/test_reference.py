import math
from typing import Any

import pytest
from pydantic import ValidationError

from monitored import quantity, reference
from prediction_service.monitoring.reference import Group, Histogram, Quantity, Reference


def test_a_reference_survives_its_file() -> None:
    made = reference()
    assert Reference.model_validate_json(made.model_dump_json()) == made


@pytest.mark.parametrize(
    "changes",
    [
        {"streams": 3},
        {"mean_log_odds": math.nan},
        {"outcome_design_effect": 0.5},
        {"score": quantity(name="age")},
        {"features": (quantity(name="score"),)},
        {"features": (quantity(name="calibration"),)},
        {"features": (quantity(name="age", counts=(1, 1, 1, 1)),)},
        {"schema_version": 2},
        {"groups": (Group(name="age", feature="age", at_least=62),)},
    ],
)
def test_a_reference_that_does_not_agree_with_itself_is_refused(changes: dict[str, Any]) -> None:
    document = reference().model_dump() | {
        key: [part.model_dump() for part in value] if isinstance(value, tuple) else value
        for key, value in changes.items()
    }
    with pytest.raises(ValidationError):
        Reference.model_validate(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"edges": (3.0, 3.0)},
        {"edges": (3.0, math.inf)},
        {"counts": (1, 2)},
        {"counts": (0, 0, 0, 0)},
        {"counts": (-1, 1, 1, 1)},
        {"design_effect": 0.99},
        {"categories": ("a", "b", "c")},
        {"edges": (), "categories": ("a", "a", "b")},
    ],
)
def test_a_quantity_that_cannot_be_counted_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        quantity(**changes)


@pytest.mark.parametrize(
    ("value", "index"), [(-5, 0), (30, 0), (30.5, 1), (50, 1), (51, 2), (None, 3), (math.nan, 3), ("50", 3), (True, 0)]
)
def test_a_number_falls_between_the_previous_edge_and_its_own(value: float | str | None, index: int) -> None:
    assert quantity().bin_of(value) == index


@pytest.mark.parametrize(("value", "index"), [("car", 0), ("boat", 1), ("plane", 2), (None, 2), (1.0, 2), ("", 2)])
def test_a_category_has_its_bin_and_an_unknown_one_counts_as_missing(value: float | str | None, index: int) -> None:
    purpose = quantity(edges=(), categories=("car", "boat"), counts=(1, 2, 3))
    assert purpose.bin_of(value) == index
    assert purpose.labels == ("car", "boat", "missing")


def test_bins_are_labelled_for_people() -> None:
    assert quantity().labels == ("up to 30", "up to 50", "above 50", "missing")
    assert quantity().uppers == (30, 50, None, None)
    assert quantity(edges=(), counts=(1, 2)).labels == ("known", "missing")


def test_a_window_becomes_the_reference_from_a_thousand_clients_on() -> None:
    assert quantity().adopted((400, 300, 200, 100)) == quantity(counts=(400, 300, 200, 100))
    with pytest.raises(ValueError, match="1000"):
        quantity().adopted((400, 300, 200, 99))


@pytest.mark.parametrize(
    ("group", "values", "belongs"),
    [
        ({"at_least": 62}, {"age": 62}, True),
        ({"at_least": 62}, {"age": 61.9}, False),
        ({"at_least": 62}, {"age": None}, None),
        ({"at_least": 62}, {}, None),
        ({"at_least": 62}, {"age": math.nan}, None),
        ({"at_least": 62}, {"age": "old"}, None),
        ({"equals": 1}, {"age": 1}, True),
        ({"equals": 1}, {"age": 0}, False),
        ({"equals": "f"}, {"age": "f"}, True),
        ({"equals": "f"}, {"age": "m"}, False),
    ],
)
def test_a_group_holds_for_known_values_only(group: Any, values: Any, belongs: bool | None) -> None:
    assert Group(name="g", feature="age", **group).holds(values) is belongs


def test_a_group_has_one_rule() -> None:
    with pytest.raises(ValidationError):
        Group(name="g", feature="age")
    with pytest.raises(ValidationError):
        Group(name="g", feature="age", at_least=1, equals=1)


@pytest.mark.parametrize(
    ("probability", "place"),
    [(0.005, (0, 0.1)), (0.01, (0, 0.1)), (0.02, (0.1, 0.4)), (0.03, (0.4, 1)), (0.04, (1, 1))],
)
def test_a_probability_has_a_place_in_the_population(probability: float, place: tuple[float, float]) -> None:
    assert Histogram(upto=(0.01, 0.02, 0.03), clients=(1, 3, 6)).place(probability) == pytest.approx(place)


@pytest.mark.parametrize("broken", [((), ()), ((0.1,), (1, 2)), ((0.2, 0.1), (1, 2)), ((0.1,), (0,))])
def test_a_histogram_without_order_or_clients_is_refused(broken: Any) -> None:
    with pytest.raises(ValidationError):
        Histogram(upto=broken[0], clients=broken[1])


def test_quantities_are_the_score_and_the_features_in_order() -> None:
    names = [one.name for one in reference().quantities]
    assert names == ["score", "age"]
    assert reference().stream_names == ("score", "age", "calibration", "age_62")
    assert isinstance(reference().score, Quantity)
