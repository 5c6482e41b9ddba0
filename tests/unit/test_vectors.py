"""The layout of a vector, and completed years."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest

from both_services import as_sent
from feature_service.definitions.served import ServedSet
from feature_service.definitions.vectors import day_of, encode, read_rows
from service_kit.problems import InvalidRequest
from shared_schemas import Feature, FeatureSet

AT = datetime(2021, 6, 1, tzinfo=UTC)
RAISED = Feature(name="income", version=2, type="number", description="Yearly, after taxes.")
FIRST = Feature(name="income", type="number", description="Yearly.")
PURPOSE = Feature(name="purpose", type="category", categories=("car", 'a, "b"'), description="What for.")
SERVED = ServedSet(3, "ab", FeatureSet(name="loans", features=(RAISED, PURPOSE)), [FIRST])
STORED = '{"income":100,"income@2":70.5,"purpose":"a, \\"b\\"","gone":1}'


@pytest.mark.parametrize(
    ("since", "at", "years"),
    [
        ("2000-02-29", datetime(2021, 2, 28, tzinfo=UTC), 20),
        ("2000-02-29", datetime(2021, 3, 1, tzinfo=UTC), 21),
        ("2000-02-29", datetime(2024, 2, 29, tzinfo=UTC), 24),
        ("2000-06-15", datetime(2021, 6, 14, 23, 59, tzinfo=UTC), 20),
        ("2000-06-15", datetime(2021, 6, 15, 1, tzinfo=timezone(timedelta(hours=2))), 20),
        ("2021-06-15", datetime(2021, 6, 15, tzinfo=UTC), 0),
        ("2021-06-16", datetime(2021, 6, 15, tzinfo=UTC), None),
        ("12021-06-16", datetime(2021, 6, 15, tzinfo=UTC), None),
    ],
)
def test_years_complete_on_their_day_in_utc(since: str, at: datetime, years: int | None) -> None:
    assert [day_of(at)[since] for _ in range(2)] == [years] * 2


def vector(*features: str, times: str | None = None) -> dict[str, object]:
    layout = SERVED.layout_of(features) if features else SERVED.layout
    [one] = read_rows([(5, as_sent(AT), STORED, times)], layout, [day_of(AT)])
    found: dict[str, object] = json.loads(encode(one))
    return found


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (datetime(1900, 1, 1, tzinfo=UTC), "1900-01-01T00:00:00Z"),
        (datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1999-12-31T23:59:59.999999Z"),
        (datetime(9998, 12, 31, tzinfo=UTC), "9998-12-31T00:00:00Z"),
    ],
)
def test_instants_come_back_as_they_are_stored(instant: datetime, text: str) -> None:
    [found] = read_rows([(5, as_sent(instant), STORED, None)], SERVED.layout, [day_of(AT)])
    assert found["event_timestamp"] == text


@pytest.mark.parametrize("text", ["{},{}", "{", "", "{}]"])
def test_a_row_that_is_not_one_value_is_no_vector_of_another_client(text: str) -> None:
    rows = [(5, as_sent(AT), text, None), (6, as_sent(AT), STORED, None)]
    with pytest.raises(ValueError, match=r"JSON|unexpected"):
        read_rows(rows, SERVED.layout, [day_of(AT), day_of(AT)])


def test_a_raised_version_is_served_under_its_name_and_the_older_one_to_those_who_ask() -> None:
    assert vector() == {"client_id": 5, "income": 70.5, "purpose": 'a, "b"', "event_timestamp": "2021-06-01T00:00:00Z"}
    assert list(vector("purpose", "income@1").items())[1:3] == [("purpose", 'a, "b"'), ("income", 100.0)]
    assert vector("income@2")["income"] == vector("income")["income"] == 70.5


def test_instants_of_features_that_are_not_asked_for_stay_away() -> None:
    times = '{"income@2":"2020-01-01T00:00:00Z","income":"2019-01-01T00:00:00Z","gone":"2018-01-01T00:00:00Z"}'
    assert vector(times=times)["feature_timestamps"] == {"income": "2020-01-01T00:00:00Z"}
    assert "feature_timestamps" not in vector("purpose", times=times)


@pytest.mark.parametrize(
    ("wanted", "wrong"), [(["income@3"], [0]), (["purpose", "?", "income"], [1]), (["income", "income@1"], [1])]
)
def test_what_is_not_served_is_refused_where_it_is_asked_for(wanted: list[str], wrong: list[int]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        SERVED.layout_of(wanted)
    assert [part.pointer for part in refused.value.errors or ()] == [f"#/features/{position}" for position in wrong]


def test_the_tag_of_the_definitions_changes_with_what_is_retained() -> None:
    alone = ServedSet(3, "ab", FeatureSet(name="loans", features=(RAISED, PURPOSE)))
    assert alone.etag == '"ab"'
    assert SERVED.etag not in (alone.etag, None)
    assert json.loads(SERVED.definitions_body)["retained"][0]["version"] == 1
