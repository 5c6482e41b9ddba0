"""The smallest single change: held against every value there is."""

import re
from datetime import UTC, datetime
from math import inf, nextafter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from prediction_service.policy.rules import DEFAULT_POLICY
from prediction_service.scoring.quality import QualityCheck
from prediction_service.scoring.scorecard import FeatureTable, Scorecard, category_edges
from prediction_service.statement.page import page
from prediction_service.statement.variation import Search
from prediction_service.statement.words import variation_text
from shared_schemas import Feature

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LOANS = Feature(name="loans", type="integer", minimum=0, maximum=30, description="Loans", actionable=True)
AMOUNT = Feature(
    name="amount", type="number", minimum=0, maximum=100, unit="units", description="Amount", actionable=True
)
HOME = Feature(name="home", type="category", categories=("rents", "owns", "other"), description="Home", actionable=True)
VALUES = st.floats(-3, 3, allow_nan=False)


def table(feature: Feature, values: list[float], edges: list[float]) -> FeatureTable:
    categories = feature.categories
    found = category_edges(categories) if categories else tuple(edges)
    return FeatureTable(feature.name, found, tuple(values[: len(found) + 1]), 0.5, "default_cell", 0, 0.0, categories)


def search(feature: Feature, its_table: FeatureTable, stored: Any) -> tuple[Search, Scorecard]:
    scorecard = Scorecard(0.0, [its_table])
    model = SimpleNamespace(
        inputs=(feature,), quality=QualityCheck([feature]), scorecard=scorecard, threshold=0.5, version="v"
    )
    vector = {"client_id": 1, feature.name: stored, "event_timestamp": NOW}
    return Search(cast("Any", model), DEFAULT_POLICY, vector, NOW, "decline"), scorecard


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=5, max_size=5), st.integers(-5, 40) | st.none())
def test_a_whole_number_is_the_nearest_of_all_that_would_do(values: list[float], stored: int | None) -> None:
    its_table = table(LOANS, values, [2.5, 7.5, 12.0, 12.2])
    found, scorecard = search(LOANS, its_table, stored)
    assume(stored is None or found.decision_with("loans", stored) == "decline")
    [variation] = found.variations(scorecard)
    enough = [value for value in range(31) if value != stored and scorecard.probability([value]) < 0.5]
    if not enough:
        assert variation.to is None
    else:
        assert variation.to in enough
        if stored is not None and 0 <= stored <= 30:
            assert abs(variation.to - stored) == min(abs(value - stored) for value in enough)


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=4, max_size=4), st.floats(0, 100))
def test_no_number_that_is_nearer_would_do(values: list[float], stored: float) -> None:
    its_table = table(AMOUNT, values, [10.0, 20.0, 60.0])
    found, scorecard = search(AMOUNT, its_table, stored)
    assume(found.decision_with("amount", stored) == "decline")
    [variation] = found.variations(scorecard)
    others = [value / 4 for value in range(401) if scorecard.probability([value / 4]) < 0.5 and value / 4 != stored]
    if variation.to is None:
        assert not others
    else:
        assert scorecard.probability([variation.to]) < 0.5
        assert abs(variation.to - stored) <= min((abs(value - stored) for value in others), default=200)


@settings(max_examples=50, deadline=None)
@given(st.lists(VALUES, min_size=3, max_size=3), st.sampled_from([*(HOME.categories or ()), None, "unlisted"]))
def test_a_category_is_one_of_the_list(values: list[float], stored: str | None) -> None:
    found, scorecard = search(HOME, table(HOME, values, []), stored)
    assume(found.decision_with("home", stored) == "decline")
    [variation] = found.variations(scorecard)
    enough = [
        name
        for code, name in enumerate(HOME.categories or ())
        if scorecard.probability([code]) < 0.5 and name != stored
    ]
    assert (variation.to in enough) if enough else (variation.to is None)


def test_what_is_not_actionable_is_not_varied_and_an_approval_has_no_variation() -> None:
    fixed = LOANS.model_copy(update={"actionable": False})
    found, scorecard = search(fixed, table(fixed, [1.0, -1.0], [5.0]), 3)
    assert found.variations(scorecard) == []
    found, scorecard = search(LOANS, table(LOANS, [-1.0, -2.0], [5.0]), 3)
    assert found._replace(decision="approve").variations(scorecard) == []


def test_words_name_the_bound_of_a_number_and_say_where_nothing_would_do() -> None:
    its_table = table(AMOUNT, [1.0, -1.0], [20.0])
    found, scorecard = search(AMOUNT, its_table, 3.0)
    [variation] = found.variations(scorecard)
    assert variation_text(variation, its_table) == (
        "Amount: more than 20.00 units instead of 3.00 would have led to approval, everything else unchanged."
    )
    its_table = table(AMOUNT, [1.0, 2.0], [20.0])
    found, scorecard = search(AMOUNT, its_table, 3.0)
    [variation] = found.variations(scorecard)
    assert "no single change" in variation_text(variation, its_table)


@pytest.mark.parametrize(
    ("values", "edges", "stored", "words"),
    [
        ([-1.0, 1.0], [0.7969], 0.8738, "0.7969 units instead of 0.8738"),
        ([-1.0, 1.0], [0.6679], 0.6708, "0.6679 units instead of 0.6708"),
        ([-1.0, 1.0], [0.0004], 0.0031, "0.0004 units instead of 0.0031"),
        ([-1.0, 1.0], [1234.567891], 90.0 * 1000, "1,234.56 units instead of 90,000.00"),
        ([1.0, -1.0], [5.123456789], 3.0, "more than 5.13 units instead of 3.00"),
        ([1.0, -1.0, 1.0], [5.123456789, 5.1239], 3.0, "more than 5.1235 units instead of 3.00"),
        ([1.0, -1.0, 1.0], [5.123456789, 5.123456791], 9.0, "5.12345679 units instead of 9.00"),
        ([1.0, -1.0], [1e-7], 0.0, "more than 0.0000001 units instead of 0.00"),
    ],
)
def test_a_rounded_number_would_have_led_to_the_decision_too(
    values: list[float], edges: list[float], stored: float, words: str
) -> None:
    amount = AMOUNT.model_copy(update={"maximum": None})
    its_table = table(amount, values, edges)
    found, scorecard = search(amount, its_table, stored)
    [variation] = found.variations(scorecard)
    assert f"Amount: {words} would have led" in variation_text(variation, its_table)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(VALUES, min_size=4, max_size=4),
    st.lists(st.floats(0, 100), min_size=3, max_size=3, unique=True),
    st.floats(0, 100),
)
def test_what_the_words_say_would_do(values: list[float], edges: list[float], stored: float) -> None:
    its_table = table(AMOUNT, values, sorted(edges))
    found, scorecard = search(AMOUNT, its_table, stored)
    assume(found.decision_with("amount", stored) == "decline")
    [variation] = found.variations(scorecard)
    assume(variation.to is not None)
    said = re.fullmatch(r"Amount: (more than )?(\S+) units instead of .+", variation_text(variation, its_table))
    assert said is not None
    reached = float(said[2])
    assert scorecard.probability([nextafter(reached, inf) if said[1] else reached]) < 0.5


@pytest.mark.parametrize("place", ["text", "review", "notice"])
def test_a_page_escapes_everything(place: str) -> None:
    bad = "<script>alert('x')</script>&"
    said: dict[str, Any] = dict.fromkeys(("explanation", "notice", "population"))
    said |= {
        "decision_id": bad,
        "decided_at": bad,
        "text": "t",
        "score": 1,
        "review": "r",
        "correction": bad,
        "draft": bad,
    }
    said |= {"creditor": {"name": bad, "address": bad}, "reasons": [{"text": bad}], "variations": [{"text": bad}]}
    said[place] = bad
    text = page(said).decode()
    assert "<script" not in text
    assert "'x'" not in text
    assert "&lt;script&gt;" in text
