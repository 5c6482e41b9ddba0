from datetime import date
from typing import Any

import pytest

from monitored import reference
from prediction_service.monitoring.fairness import GROUP_BINS
from prediction_service.monitoring.reference import Group
from prediction_service.monitoring.state import CountKey, Decided, decision_counts, month_of

TODAY, BEFORE = date(2026, 11, 24), date(2026, 11, 3)


def decided(**changes: Any) -> Decided:
    fields: dict[str, Any] = {
        "day": TODAY,
        "previous_day": BEFORE,
        "probability": 0.015,
        "label": 1,
        "values": {"age": 64},
    }
    return Decided(**(fields | changes))


def test_a_decision_counts_in_the_score_each_feature_and_each_group_whose_value_is_known() -> None:
    assert decision_counts(reference(), decided()) == [
        CountKey("score", TODAY, BEFORE, 1),
        CountKey("age", TODAY, BEFORE, 2),
        CountKey("age_62", TODAY, BEFORE, 1),
    ]
    assert [one.bin for one in decision_counts(reference(), decided(label=0, values={"age": 40}))] == [1, 1, 2]
    unknown = decision_counts(reference(), decided(values={}))
    assert [(one.stream, one.bin) for one in unknown] == [("score", 1), ("age", 3)]


def test_a_group_may_stand_on_a_feature_that_the_model_does_not_use() -> None:
    made = reference(groups=(Group(name="sex=f", feature="sex", equals="f"),))
    found = decision_counts(made, decided(values={"age": 40, "sex": "f"}))
    assert found[-1] == CountKey("sex=f", TODAY, BEFORE, 1)


@pytest.mark.parametrize("previous_day", [TODAY, date(2026, 11, 25)])
def test_a_second_question_of_the_day_and_a_clock_that_stepped_back_count_nowhere(previous_day: date) -> None:
    assert decision_counts(reference(), decided(previous_day=previous_day)) == []


def test_every_counted_bin_exists() -> None:
    sizes = {one.name: len(one.counts) for one in reference().quantities} | {"age_62": GROUP_BINS}
    assert sizes == {"score": 4, "age": 4, "age_62": 4}
    for values in ({"age": None}, {"age": 99}, {"age": 1}):
        assert all(one.bin < sizes[one.stream] for one in decision_counts(reference(), decided(values=values)))


def test_a_day_belongs_to_the_month_that_begins_before_it() -> None:
    assert month_of(date(2024, 2, 29)) == date(2024, 2, 1)
