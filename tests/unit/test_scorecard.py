import math
import subprocess
import sys
from itertools import combinations
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prediction_service.scoring.scorecard import FeatureTable, Scorecard, disfavours_elderly, disfavours_unknown_age


def table(**changes: Any) -> FeatureTable:
    fields: dict[str, Any] = {
        "name": "age", "edges": (30.0, 50.0), "values": (0.3, 0.1, -0.2), "missing": 0.05, "missing_rule": "missing_cell",
        "monotonic": -1, "population_mean": 0.1,
    }  # fmt: skip
    return FeatureTable(**(fields | changes))


CARD = Scorecard(
    -4.0,
    [table(), table(name="tenure", edges=(5.0,), values=(0.2, -0.1), missing=-0.08), table(edges=(), values=(0.4,))],
)

value = st.one_of(st.none(), st.just(math.nan), st.floats(allow_nan=False), st.integers(-100, 200))
row = st.tuples(value, value, value)


@given(st.lists(row, max_size=40))
def test_many_rows_get_to_the_bit_what_each_gets_alone(rows: list[Any]) -> None:
    assert CARD.probabilities(rows) == [CARD.probability(one) for one in rows]


@given(row)
def test_log_odds_are_the_base_plus_one_cell_a_feature(values: Any) -> None:
    cells = [feature.contribution(x) for feature, x in zip(CARD.tables, values, strict=True)]
    assert CARD.log_odds(values) == pytest.approx(-4.0 + sum(cells), abs=1e-15)


@given(st.floats(0, 120), st.floats(0, 120))
def test_a_feature_that_claims_a_direction_keeps_it_in_the_probability(one: float, other: float) -> None:
    younger, older = sorted((one, other))
    assert CARD.probability([older, 3, 1]) <= CARD.probability([younger, 3, 1])


@pytest.mark.parametrize(
    ("base", "expected"), [(0.0, 0.5), (800.0, 1.0), (-800.0, 0.0), (math.log(3), 0.75), (-math.log(3), 0.25)]
)
def test_no_log_odds_overflow(base: float, expected: float) -> None:
    assert Scorecard(base, []).probability([]) == pytest.approx(expected, abs=1e-15)


def test_infinities_fall_into_the_outer_cells() -> None:
    assert table().contribution(-math.inf) == 0.3
    assert table().contribution(math.inf) == -0.2


def test_a_row_of_another_length_is_an_error() -> None:
    for short in ([40, 3], [40, 3, 1, 1]):
        with pytest.raises(ValueError, match="zip"):
            CARD.probability(short)
        with pytest.raises(ValueError, match="zip"):
            CARD.probabilities([short])


def shapley(card: Scorecard, values: list[float | None], population: list[list[float | None]]) -> list[float]:
    """By definition, over all coalitions (Shapley 1953), the features outside of one taken from the population."""
    count = len(values)

    def worth(coalition: tuple[int, ...]) -> float:
        return fmean(
            card.log_odds([values[i] if i in coalition else other[i] for i in range(count)]) for other in population
        )

    found = []
    for feature in range(count):
        others = [i for i in range(count) if i != feature]
        total = 0.0
        for size in range(count):
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            for coalition in combinations(others, size):
                total += weight * (worth((*coalition, feature)) - worth(coalition))
        found.append(total)
    return found


@given(row)
def test_contributions_are_the_shapley_values_against_the_population(values: Any) -> None:
    population: list[list[float | None]] = [[25, 3, 1], [40, None, 0], [None, 12, 1], [70, 1, 1]]
    means = [fmean(feature.contribution(other[i]) for other in population) for i, feature in enumerate(CARD.tables)]
    fields = [{"population_mean": mean} for mean in means]
    card = Scorecard(CARD.base, [FeatureTable(**(_fields(t) | f)) for t, f in zip(CARD.tables, fields, strict=True)])
    assert card.contributions(values) == pytest.approx(shapley(card, list(values), population), abs=1e-12)


def _fields(of: FeatureTable) -> dict[str, Any]:
    return {name: getattr(of, name) for name in FeatureTable.__slots__}


def test_tables_survive_their_file() -> None:
    again = Scorecard.from_json(CARD.as_json())
    assert (again.base, again.tables) == (CARD.base, CARD.tables)


@pytest.mark.parametrize(
    ("changes", "defect"),
    [
        ({}, None),
        ({"monotonic": 0, "values": (0.1, 0.3, -0.2)}, None),
        ({"values": (0.1, 0.1, 0.1)}, None),
        ({"values": (0.1, math.nextafter(0.1, 1), 0.0)}, "direction"),
        ({"monotonic": 1}, "direction"),
        ({"monotonic": 2}, "unknown direction"),
        ({"missing_rule": "default_cell", "missing": 0.3}, None),
        ({"missing_rule": "default_cell", "missing": -0.2}, None),
        ({"missing_rule": "default_cell", "missing": math.nextafter(0.3, 1)}, "like no known one"),
        ({"missing_rule": "default_cell", "missing": math.nextafter(-0.2, -1)}, "like no known one"),
        ({"missing_rule": "default_cell", "missing": 0.4, "monotonic": 0}, None),
        ({"missing": 0.4}, None),
        ({"missing_rule": "median"}, "unknown direction or rule"),
        ({"edges": (30.0, 30.0)}, "do not increase"),
        ({"edges": (30.0,)}, "one value more"),
        ({"edges": (30.0, math.inf)}, "not finite"),
        ({"missing": math.nan}, "not finite"),
        ({"population_mean": math.nan}, "not finite"),
    ],
)
def test_a_defect_of_a_table_is_found(changes: dict[str, Any], defect: str | None) -> None:
    found = table(**changes).defect()
    assert (found is None) if defect is None else (found is not None and defect in found)


@pytest.mark.parametrize(
    ("edges", "values", "disfavours"),
    [
        ((61.0,), (0.0, 0.1), True),
        ((62.0,), (0.0, 0.1), True),  # 62 as the best-treated younger, 63 not
        ((61.5,), (0.1, 0.0), False),
        ((100.0,), (0.0, 0.1), False),  # nobody is scored above 100
        ((99.0,), (0.0, 0.1), True),
        ((17.0,), (-0.5, 0.0), False),  # minors are no comparison
        ((18.0,), (-0.5, 0.0), True),
        ((), (0.3,), False),
    ],
)
def test_the_elderly_are_compared_with_the_best_treated_younger_adult(
    edges: tuple[float, ...], values: tuple[float, ...], *, disfavours: bool
) -> None:
    assert disfavours_elderly(table(edges=edges, values=values, monotonic=0)) is disfavours


def test_a_missing_age_is_outside_of_the_comparison() -> None:
    assert not disfavours_elderly(table(missing=-9.0))


@pytest.mark.parametrize(
    ("edges", "missing", "disfavours"),
    [
        ((30.0, 50.0), -0.2, False),
        ((30.0, 50.0), math.nextafter(-0.2, 1), True),
        ((30.0, 50.0), 0.3, True),
        ((99.5, 100.0), 0.1, False),  # nobody is older
    ],
)
def test_an_unknown_age_is_scored_no_worse_than_any_known_one(
    edges: tuple[float, ...], missing: float, *, disfavours: bool
) -> None:
    assert disfavours_unknown_age(table(edges=edges, missing=missing)) is disfavours


def test_tables_of_categories_survive_json_and_have_one_value_each() -> None:
    purpose = table(name="purpose", edges=(0.0, 1.0), monotonic=0, categories=("car", "boat", "house"))
    card = Scorecard(-1.0, [purpose])
    assert Scorecard.from_json(card.as_json()).tables == card.tables
    assert [purpose.contribution(float(position)) for position in range(3)] == [0.3, 0.1, -0.2]
    assert purpose.defect() is None
    assert table(edges=(0.0, 2.0), monotonic=0, categories=("car", "boat", "house")).defect() is not None


def test_serving_from_tables_needs_only_the_standard_library_and_pydantic() -> None:
    program = (
        "import sys, prediction_service.versions.artefact, prediction_service.versions.pickled, prediction_service.versions.serving\n"
        "print(sorted({'numpy', 'sklearn', 'joblib', 'scipy', 'pyarrow', 'matplotlib'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
