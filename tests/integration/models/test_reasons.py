import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import credit_default
from credit_default import NAMES as FEATURE_NAMES
from prediction_service.scoring.reasons import LEAST_CONTRIBUTION, MOST_REASONS, Explainer
from prediction_service.scoring.scorecard import FeatureTable, Scorecard
from prediction_service.scoring.texts import sentence
from prediction_service.scoring.texts import texts_of as texts_of_features
from prediction_service.versions.artefact import load
from shared_schemas import Feature, FeatureTexts

EDGES = {
    "nb_previous_loans": (3.5, 8.5, 14.5, 30.5), "avg_amount_loans_previous": (110.25, 130.5), "age": (30.5, 50.5),
    "years_on_the_job": (0.5, 4.5), "flag_own_car": (0.5,),
}  # fmt: skip


def card(**tables: dict[str, Any]) -> Scorecard:
    """A scorecard in which nothing contributes, but for the fields given by feature."""
    flat: dict[str, Any] = {
        "missing": 0.0, "missing_rule": "missing_cell", "monotonic": 0, "population_mean": 0.0,
    }  # fmt: skip
    fields = [
        flat | {"name": name, "edges": edges, "values": (0.0,) * (len(edges) + 1)} | tables.get(name, {})
        for name, edges in EDGES.items()
    ]
    return Scorecard(-4.0, [FeatureTable(**each) for each in fields])


def explained(scorecard: Scorecard, *values: float | None) -> dict[str, Any]:
    stored = dict(zip(FEATURE_NAMES, values, strict=True))
    return Explainer(scorecard, credit_default.SET.features).explain(stored, values, scorecard.probability(values))


def texts_of(answer: dict[str, Any]) -> list[str]:
    return [reason["text"] for reason in answer["reason_codes"]]


TEXTS = dict(zip(FEATURE_NAMES, texts_of_features(credit_default.SET.features), strict=True))

number = st.floats(-3, 3, allow_subnormal=False)


@st.composite
def cards(draw: st.DrawFn) -> Scorecard:
    return card(
        **{
            name: {
                "values": tuple(draw(st.lists(number, min_size=len(edges) + 1, max_size=len(edges) + 1))),
                "missing": draw(number),
                "population_mean": draw(st.sampled_from([0.0, 0.5]) | number),
            }
            for name, edges in EDGES.items()
        }
    )


rows = st.tuples(
    st.none() | st.integers(0, 60), st.none() | st.floats(0, 400), st.none() | st.integers(1, 100),
    st.none() | st.integers(0, 50), st.none() | st.integers(0, 1),
)  # fmt: skip


def sigmoid(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds))


@given(cards(), rows)
def test_contributions_and_base_add_up_to_the_log_odds_and_points_to_the_score(scorecard: Scorecard, row: Any) -> None:
    answer = explained(scorecard, *row)
    total = sum(one["contribution"] for one in answer["contributions"])
    assert total + answer["base_log_odds"] == pytest.approx(scorecard.log_odds(row), abs=1e-12)
    reached = 1000 * (scorecard.probability(row) - sigmoid(answer["base_log_odds"]))
    assert sum(one["points"] for one in answer["contributions"]) == pytest.approx(reached, abs=1e-9)
    assert [one["feature"] for one in answer["contributions"]] == list(FEATURE_NAMES)
    assert [one["contribution"] for one in answer["contributions"]] == scorecard.contributions(row)


@given(cards(), rows)
def test_reasons_are_the_largest_adverse_contributions_and_none_other(scorecard: Scorecard, row: Any) -> None:
    answer = explained(scorecard, *row)
    elderly = row[2] is not None and row[2] >= 62
    adverse = [
        one
        for one in answer["contributions"]
        if one["contribution"] > LEAST_CONTRIBUTION and not (elderly and one["feature"] == "age")
    ]
    adverse.sort(key=lambda one: (-one["contribution"], FEATURE_NAMES.index(one["feature"])))
    assert len(answer["reason_codes"]) <= MOST_REASONS
    assert [(reason["feature"], reason["contribution"], reason["points"]) for reason in answer["reason_codes"]] == [
        (one["feature"], one["contribution"], one["points"]) for one in adverse[:MOST_REASONS]
    ]
    for reason in answer["reason_codes"]:
        texts = TEXTS[reason["feature"]]
        missing = row[FEATURE_NAMES.index(reason["feature"])] is None
        assert reason["code"] == (texts.missing_code if missing else texts.code)
        assert (reason["text"] == texts.missing) is missing


def test_equal_reasons_stand_in_the_order_of_the_features_and_the_fifth_is_left_out() -> None:
    equal = card(**{name: {"missing": 0.3} for name in FEATURE_NAMES})
    assert [one["feature"] for one in explained(equal, *[None] * 5)["reason_codes"]] == list(FEATURE_NAMES[:4])


def test_a_value_used_is_null_where_the_stored_one_failed_its_check() -> None:
    stored = dict.fromkeys(FEATURE_NAMES, 1) | {"age": 150}
    answer = Explainer(card(), credit_default.SET.features).explain(stored, (1, 1, None, 1, 1), 0.1)
    assert [(one["value"], one["value_used"]) for one in answer["contributions"]][1:3] == [(1, 1), (150, None)]


@pytest.mark.parametrize("shift", [0.0, 1e-15, 1e-9, 1e-4, 700.0, -700.0])
def test_points_hold_for_the_smallest_and_the_largest_contributions(shift: float) -> None:
    answer = explained(card(flag_own_car={"values": (shift, shift)}), 1, 1, 1, 1, 1)
    expected = {700.0: 1000 * (1 - sigmoid(-4)), -700.0: -1000 * sigmoid(-4)}
    slope = 1000 * sigmoid(-4) * (1 - sigmoid(-4))
    assert answer["contributions"][4]["points"] == pytest.approx(expected.get(shift, shift * slope), rel=1e-4)


@pytest.mark.parametrize(("age", "reasons"), [(61, 1), (62, 0), (63, 0), (100, 0), (None, 1)])
def test_the_age_of_the_elderly_is_no_reason_even_if_the_table_makes_it_adverse(age: int | None, reasons: int) -> None:
    worst = card(age={"values": (0.4, 0.4, 0.4), "missing": 0.4})
    answer = explained(worst, 1, 100, age, 1, 1)
    assert len(answer["reason_codes"]) == reasons
    assert answer["contributions"][2]["contribution"] == 0.4


def test_the_elderly_split_changes_no_contribution() -> None:
    scorecard = card(age={"edges": (50.0, 61.0, 62.0, 70.5), "values": (0.4, 0.3, 0.2, 0.1, 0.0)})
    for age in range(1, 101):
        answer = explained(scorecard, 1, 1, age, 1, 1)
        assert answer["contributions"][2]["contribution"] == scorecard.tables[2].contribution(age)


def test_a_hump_is_worded_by_its_region() -> None:
    hump = card(nb_previous_loans={"values": (-0.3, 0.2, 0.5, -0.1, 0.2)})
    between = "The number of earlier loans on record is between 4 and 14."
    assert texts_of(explained(hump, 4, 1, 40, 1, 1)) == texts_of(explained(hump, 14, 1, 40, 1, 1)) == [between]
    assert texts_of(explained(hump, 31, 1, 40, 1, 1)) == ["The number of earlier loans on record is 31 or more."]
    assert texts_of(explained(hump, 3, 1, 40, 1, 1)) == []


@pytest.mark.parametrize(
    ("feature", "above", "up_to", "text"),
    [
        ("nb_previous_loans", None, 0.5, "The number of earlier loans on record is 0."),
        ("nb_previous_loans", None, 2.0, "The number of earlier loans on record is 2 or fewer."),
        ("nb_previous_loans", -0.5, 2.9, "The number of earlier loans on record is 2 or fewer."),
        ("nb_previous_loans", 2.0, 3.5, "The number of earlier loans on record is 3."),
        ("nb_previous_loans", 2.0, 4.0, "The number of earlier loans on record is between 3 and 4."),
        ("nb_previous_loans", 2.2, 2.4, "The number of earlier loans on record is 3."),
        ("nb_previous_loans", -0.5, None, "The number of earlier loans on record."),
        ("avg_amount_loans_previous", 110.254, 130.5, "The average amount of the earlier loans is between 110.25 and 130.50."),
        ("avg_amount_loans_previous", 130.5, None, "The average amount of the earlier loans is more than 130.50."),
        ("age", None, 61.99, "The age on record is 61 years or less."),
        ("years_on_the_job", None, 0.5, "The time in the current job is 0 completed years."),
        ("flag_own_car", None, 0.5, "No car of the applicant's own is on record."),
        ("flag_own_car", 0.5, None, "A car of the applicant's own is on record."),
    ],
)  # fmt: skip
def test_a_region_is_told_in_the_numbers_that_the_feature_takes(
    feature: str, above: float | None, up_to: float | None, text: str
) -> None:
    assert sentence(credit_default.SET.by_name[feature], TEXTS[feature], above, up_to) == text


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("any", "The applicant did not achieve a qualifying score."),
        ("missing", "The age does not meet our rules."),
        ("any", "Internal standards."),
        ("at_most", "It fails to meet {high}."),
        ("between", "The number of earlier loans is between {low} and {value}."),
        ("missing", "The number {low} is not known."),
        ("any", " "),
        ("any", "An open { brace."),
    ],
)
def test_a_vague_or_unspecific_text_is_refused(form: str, text: str) -> None:
    with pytest.raises(ValidationError, match=f"the sentence {form}"):
        FeatureTexts.model_validate({form: text})


def test_single_words_of_the_trade_are_no_vagueness() -> None:
    assert FeatureTexts(any="The amount of credit in use at other banks.").sentences()


def feature(name: str, **said: Any) -> Feature:
    return Feature.model_validate({"name": name, "type": "number", "description": "Income of {a} month."} | said)


def test_a_feature_without_texts_is_told_by_its_description_and_unit() -> None:
    [texts] = texts_of_features([feature("income", unit="EUR")])
    assert (texts.code, texts.missing_code) == ("INCOME", "INCOME_MISSING")
    assert sentence(feature("income"), texts, 10, 20.5) == "Income of (a) month: between 10.00 and 20.50 EUR."


def test_default_codes_do_not_meet_those_of_other_features() -> None:
    texts = texts_of_features([feature("income"), feature("income_missing", type="flag")])
    codes = [code for one in texts for code in (one.code, one.missing_code)]
    assert len(set(codes)) == 4


def test_a_category_is_told_as_it_is_written_whatever_it_holds() -> None:
    purpose = feature("purpose", type="category", categories=["{high}", 'a "car"'])
    table = FeatureTable("purpose", (0.0,), (0.5, -0.1), 0.2, "missing_cell", 0, 0.0, categories=("{high}", 'a "car"'))
    explainer = Explainer(Scorecard(-2.0, [table]), [purpose])
    answer = explainer.explain({"purpose": "{high}"}, (0.0,), 0.2)
    assert [reason["text"] for reason in answer["reason_codes"]] == ["Income of (a) month: {high}."]
    assert (answer["contributions"][0]["value"], answer["contributions"][0]["value_used"]) == ("{high}", "{high}")
    assert explainer.explain({"purpose": 'a "car"'}, (1.0,), 0.1)["reason_codes"] == []
    missing = explainer.explain({"purpose": "boat"}, (None,), 0.1)
    assert [reason["code"] for reason in missing["reason_codes"]] == ["PURPOSE_MISSING"]


@pytest.fixture(scope="module")
def trained(model_dir: Path) -> Scorecard:
    scorecard = load(model_dir / "first").scorecard
    assert scorecard is not None
    return scorecard


def test_every_adverse_cell_of_a_trained_scorecard_has_a_sentence(trained: Scorecard) -> None:
    told = set()
    for index, (table, feature) in enumerate(zip(trained.tables, credit_default.SET.features, strict=True)):
        for value in (None, *table.edges, *(math.nextafter(edge, math.inf) for edge in table.edges)):
            row: list[float | None] = [1, 100, 40, 1, 1]
            row[index] = value
            answer = explained(trained, *row)
            reason = next((one for one in answer["reason_codes"] if one["feature"] == feature.name), None)
            elderly = feature.name == "age" and value is not None and value >= 61.99
            adverse = answer["contributions"][index]["contribution"] > LEAST_CONTRIBUTION and not elderly
            five_adverse = sum(one["contribution"] > LEAST_CONTRIBUTION for one in answer["contributions"]) == 5
            assert (reason is not None) is adverse or five_adverse
            if reason:
                assert "{" not in reason["text"]
                told.add(reason["text"])
    assert len(told) >= 5


def random_rows(count: int) -> list[list[float | None]]:
    random = np.random.default_rng(9)
    columns = [random.integers(0, 60, count), random.uniform(90, 400, count), random.integers(18, 101, count),
               random.integers(0, 45, count), random.integers(0, 2, count)]  # fmt: skip
    absent = random.random((count, 5)) < 0.1
    return [
        [None if gone else float(value) for value, gone in zip(row, away, strict=True)]
        for row, away in zip(zip(*columns, strict=True), absent, strict=True)
    ]


def cell_values(scorecard: Scorecard, rows_: list[list[float | None]]) -> np.ndarray:
    return np.array([[t.contribution(v) for t, v in zip(scorecard.tables, row, strict=True)] for row in rows_])


def shapley_loop(scorecard: Scorecard, rows_: list[list[float | None]], background: list[Any]) -> np.ndarray:
    """All 32 coalitions, the features outside of one taken from the background (Shapley 1953)."""
    inside, outside = cell_values(scorecard, rows_), cell_values(scorecard, background)
    worth = np.zeros((32, len(rows_)))
    for coalition in range(32):
        chosen = np.array([bool(coalition >> i & 1) for i in range(5)])
        for n, row in enumerate(inside):
            worth[coalition, n] = (scorecard.base + np.where(chosen, row, outside).sum(axis=1)).mean()
    found = np.zeros((len(rows_), 5))
    for feature in range(5):
        for coalition in range(32):
            if not coalition >> feature & 1:
                size = coalition.bit_count()
                weight = math.factorial(size) * math.factorial(4 - size) / math.factorial(5)
                found[:, feature] += weight * (worth[coalition | 1 << feature] - worth[coalition])
    return found


def test_contributions_are_those_of_the_loop_over_all_coalitions(trained: Scorecard) -> None:
    background = random_rows(300)[::-1]
    means = cell_values(trained, background).mean(axis=0)
    document = trained.as_json()
    for table, mean in zip(document["tables"], means, strict=True):
        table["population_mean"] = float(mean)
    scorecard = Scorecard.from_json(json.loads(json.dumps(document)))
    rows_ = random_rows(1_000)
    closed = [[one["contribution"] for one in explained(scorecard, *row)["contributions"]] for row in rows_]
    assert np.abs(np.array(closed) - shapley_loop(scorecard, rows_, background)).max() < 1e-12
