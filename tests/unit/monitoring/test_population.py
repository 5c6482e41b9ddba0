import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prediction_service.monitoring.population import (
    Column,
    FeatureBasis,
    TrainingRows,
    build_reference,
    design_effect,
    edges_of,
    fairness_groups,
    outcome_design_effect,
)
from prediction_service.monitoring.reference import Group

rows = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=60)


@given(rows)
def test_the_design_effect_is_that_of_rao_and_scott(found: list[tuple[int, int]]) -> None:
    bins, persons = [b for b, _ in found], [p for _, p in found]
    n, used = len(found), sorted(set(bins))
    total = Fraction(0)
    for k in used:
        share = Fraction(bins.count(k), n)
        for person in set(persons):
            mine = persons.count(person)
            total += (found.count((k, person)) - mine * share) ** 2 / (n * share)
    expected = max(1.0, float(total) / (len(used) - 1)) if len(used) > 1 else 1.0
    assert design_effect(bins, persons) == pytest.approx(expected, rel=1e-9)


def test_persons_of_three_like_clients_have_a_design_effect_of_three() -> None:
    draw = np.random.default_rng(0).integers(5, size=20_000)
    persons = np.repeat(np.arange(20_000), 3)
    assert design_effect(np.repeat(draw, 3).tolist(), persons.tolist()) == pytest.approx(3, abs=0.05)
    assert design_effect(draw.tolist(), range(20_000)) == pytest.approx(1, abs=0.02)


@given(st.lists(st.tuples(st.floats(0.01, 0.99), st.booleans(), st.integers(0, 5)), min_size=1, max_size=50))
def test_the_design_effect_of_outcomes_sums_residuals_by_person(found: list[tuple[float, bool, int]]) -> None:
    p, y, persons = (list(column) for column in zip(*found, strict=True))
    residual = np.array(y, dtype=float) - np.array(p)
    by_person = [residual[np.array(persons) == person].sum() ** 2 for person in set(persons)]
    expected = max(1, sum(by_person) / sum(q * (1 - q) for q in p))
    assert outcome_design_effect(p, y, persons) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(-1e6, 1e6), min_size=11, max_size=300, unique=True))
def test_edges_are_the_quantiles_of_numpy_that_are_values(values: list[float]) -> None:
    expected = {float(np.quantile(values, k / 10, method="inverted_cdf")) for k in range(1, 10)}
    assert edges_of(values) == tuple(sorted(expected))


@pytest.mark.parametrize(
    ("values", "edges"),
    [
        ([0, 1, 1, None, math.nan], (0, 1)),
        ([5] * 95 + list(range(100, 116)), (5, 104)),
        ([None, None], ()),
        (list(range(10)), tuple(range(10))),
    ],
)
def test_few_values_are_edges_each_and_repeated_quantiles_are_dropped(
    values: Sequence[float | None], edges: tuple[float, ...]
) -> None:
    assert edges_of(values) == edges


def training(clients: int = 400) -> TrainingRows:
    rng = np.random.default_rng(1)
    p = rng.beta(2, 100, clients)
    return TrainingRows(
        p.tolist(), "final_model", (rng.random(clients) < p).tolist(), rng.integers(100, size=clients).tolist()
    )


def test_a_reference_counts_every_training_row_in_each_quantity() -> None:
    given_rows = training()
    age = [None if row % 10 == 0 else 20 + row % 50 for row in range(400)]
    purpose = ["car" if row % 4 else "boat" for row in range(400)]
    columns = [Column("age", age), Column("purpose", purpose, ("boat", "car", "bike"))]
    made = build_reference(given_rows, columns, [Group(name="age_62", feature="age", at_least=62)])
    assert [one.clients for one in made.quantities] == [400] * 3
    assert made.features[0].counts[-1] == 40
    assert made.features[1].counts == (100, 300, 0, 0)
    assert made.streams == 5
    p = np.array(given_rows.probabilities)
    assert made.mean_log_odds == pytest.approx(np.log(p / (1 - p)).mean(), rel=1e-12)
    assert sum(made.histogram.clients) == 400
    assert made.score.design_effect == design_effect(
        [made.score.bin_of(q) for q in given_rows.probabilities], list(given_rows.persons or ())
    )


def test_unknown_persons_leave_a_design_effect_of_one() -> None:
    rows_ = training()
    made = build_reference(TrainingRows(rows_.probabilities, "out_of_fold", rows_.defaulted), [], [])
    assert made.score.design_effect == pytest.approx(1, abs=0.01)
    assert made.probabilities == "out_of_fold"


def test_a_large_population_has_a_histogram_of_a_thousand_bins() -> None:
    rows_ = training(5_000)
    made = build_reference(rows_, [], [])
    assert len(made.histogram.upto) == 1_000
    for probability in rows_.probabilities[:50]:
        true = np.mean(np.array(rows_.probabilities) <= probability)
        place = made.histogram.place(probability)
        assert place.below <= true <= place.at_or_below
        assert place.at_or_below - place.below <= 0.0021


def test_columns_have_to_fit_and_names_may_not_repeat() -> None:
    for columns in ([Column("age", [1, 2])], [Column("a", [1.0] * 400)] * 2):
        with pytest.raises(ValueError):  # noqa: PT011 -- by zip or by the reference
            build_reference(training(), columns, [])
    with pytest.raises(ValueError, match="rows"):
        build_reference(TrainingRows([], "final_model", []), [], [])


def test_a_feature_may_be_called_like_another_stream() -> None:
    names = ("score", "calibration", "age_62", "age")
    group = Group(name="age_62", feature="age", at_least=62)
    made = build_reference(training(), [Column(name, [1.0] * 400) for name in names], [group])
    assert [found.name for found in made.features] == ["feature:score", "feature:calibration", "feature:age_62", "age"]
    assert [found.feature for found in made.features] == list(names)


def test_groups_follow_from_the_bases_of_features() -> None:
    features = [
        FeatureBasis("age_in_years", "integer", ("age",)),
        FeatureBasis("age_of_partner", "integer", ("age",)),
        FeatureBasis("foreign_worker", "flag", ("national_origin",)),
        FeatureBasis("status", "category", ("sex", "marital_status"), ("male single", "female")),
        FeatureBasis("amount", "number", ()),
        FeatureBasis("income_from_aid", "number", ("public_assistance",)),
    ]
    found = [(group.name, group.feature, group.at_least, group.equals) for group in fairness_groups(features)]
    assert found == [
        ("age_62", "age_in_years", 62, None),
        ("age_of_partner_62", "age_of_partner", 62, None),
        ("foreign_worker=1", "foreign_worker", None, 1),
        ("status=male single", "status", None, "male single"),
        ("status=female", "status", None, "female"),
    ]
