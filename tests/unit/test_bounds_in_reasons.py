"""The bounds that a sentence of reasons names: true of the value that it is said of, and never changed for an old version."""

import re
from dataclasses import replace
from decimal import Decimal
from math import inf, nextafter
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prediction_service.scoring.reasons import Explainer
from prediction_service.scoring.scorecard import FeatureTable, Scorecard
from prediction_service.scoring.texts import sentence, texts_of
from prediction_service.training.thresholds import shortest_between
from prediction_service.versions.artefact import Artefact, load
from prediction_service.versions.serving import ServedModel
from shared_schemas import Feature

RATE = Feature(name="rate", type="number", description="Rate.")
[TEXTS] = texts_of([RATE])
RELEASE = Path(__file__).parents[1] / "integration" / "previous_release"

numbers = st.floats(-1e6, 1e6) | st.floats(-2, 2) | st.floats(allow_nan=False, allow_infinity=False)


def holds(text: str, value: float) -> bool:
    """Whether what a sentence says is true of a value, the numbers taken as they are written."""
    number, exact = r"(-?[0-9]+\.[0-9]{2,})", Decimal(repr(value))
    if found := re.fullmatch(rf"Rate: {number} or less\.", text):
        return exact <= Decimal(found[1])
    if found := re.fullmatch(rf"Rate: between {number} and {number}\.", text):
        return Decimal(found[1]) < exact <= Decimal(found[2])
    if found := re.fullmatch(rf"Rate: more than {number}\.", text):
        return Decimal(found[1]) < exact
    raise AssertionError(text)


@given(st.lists(numbers, min_size=1, max_size=4, unique_by=lambda edge: edge + 0.0), st.data())
@example([-1.4669], None)
@example([0.0004, 0.0031], None)
def test_a_sentence_is_true_of_every_value_of_its_cell_and_of_no_other(edges: list[float], data: st.DataObject) -> None:
    edges = sorted(edges)
    table = FeatureTable("rate", tuple(edges), tuple(map(float, range(len(edges) + 1))), 0.0, "missing_cell", 0, 0.0)
    beside = [side for edge in edges for side in (nextafter(edge, -inf), edge, nextafter(edge, inf))]
    values = [*beside, *(data.draw(st.lists(numbers)) if data else [])]
    cells = list(zip([None, *edges], [*edges, None], strict=True))
    for cell, (above, up_to) in enumerate(cells):
        text = sentence(RATE, TEXTS, above, up_to, "exact")
        for value in values:
            assert holds(text, value) is (table.contribution(value) == cell), (text, value)


@given(st.lists(numbers, min_size=1, max_size=4, unique_by=lambda edge: edge + 0.0), numbers, st.data())
def test_the_reason_of_a_client_is_true_of_its_value(edges: list[float], value: float, data: st.DataObject) -> None:
    values = tuple(data.draw(st.lists(st.floats(-1, 1), min_size=len(edges) + 1, max_size=len(edges) + 1)))
    table = FeatureTable(
        "rate", tuple(sorted(edges)), values, 0.0, "missing_cell", 0, data.draw(st.sampled_from([-1.1, -0.5]))
    )
    explainer = Explainer(Scorecard(-2.0, [table]), [RATE], "exact")
    for asked in (value, *edges, *(nextafter(edge, inf) for edge in edges)):
        for reason in explainer.reason_codes((asked,), 0.2):
            assert reason["text"] == "Rate." or holds(reason["text"], asked)


@pytest.mark.parametrize(
    ("above", "up_to", "two_decimals", "exact"),
    [
        (None, -1.4669, "-1.47 or less", "-1.4669 or less"),
        (None, 0.0004, "0.00 or less", "0.0004 or less"),
        (0.0004, 0.0031, "0.00", "between 0.0004 and 0.0031"),
        (10.0, 20.5, "between 10.00 and 20.50", "between 10.00 and 20.50"),
        (1e-7, None, "more than 0.00", "more than 0.0000001"),
        (-0.0, 1e16, "between 0.00 and 10000000000000000.00", "between 0.00 and 10000000000000000.00"),
    ],
)
def test_bounds_are_written_as_the_version_says(
    above: float | None, up_to: float | None, two_decimals: str, exact: str
) -> None:
    assert sentence(RATE, TEXTS, above, up_to) == f"Rate: {two_decimals}."
    assert sentence(RATE, TEXTS, above, up_to, "exact") == f"Rate: {exact}."


def test_sentences_are_written_as_the_manifest_says_and_in_two_decimals_where_it_does_not(tmp_path: Path) -> None:
    assert "bounds_in_reasons" not in (RELEASE / "model" / "manifest.json").read_text()
    version = (RELEASE / "version.txt").read_text()
    (tmp_path / version).symlink_to(RELEASE / "model")
    earlier = load(tmp_path / version)
    exact = replace(earlier, manifest=earlier.manifest.model_copy(update={"bounds_in_reasons": "exact"}))
    start = "The average amount of the earlier loans is"
    assert reasons_of_amounts(earlier) == {f"{start} 129.01 or less.", f"{start} more than 136.14."}
    assert reasons_of_amounts(exact) == {f"{start} 129.00962290322582 or less.", f"{start} more than 136.1444135."}


def reasons_of_amounts(artefact: Artefact) -> set[str]:
    explainer = ServedModel(artefact).explainer
    assert explainer is not None
    return {
        reason["text"]
        for amount in (120.0, 129.0096, 129.01, 135.0, 136.0, 150.0)
        for reason in explainer.reason_codes((1, amount, 40, 1, 1), 0.02)
        if reason["feature"] == "avg_amount_loans_previous"
    }


@given(numbers, numbers)
def test_a_short_number_between_two_lies_between_them(one: float, other: float) -> None:
    low, high = sorted((one, other))
    found = shortest_between(low, high)
    assert low < found < high if found is not None else high - low < 1e-15 * max(abs(low), abs(high), 1.0)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
@example(-1_467_100, 400)
@example(3_000_000, 1_000_000)
def test_none_between_them_is_shorter(low: int, width: int) -> None:
    """In millionths."""
    found = shortest_between(low / 10**6, (low + width) / 10**6)
    steps = {decimals: 10 ** (6 - decimals) for decimals in range(2, 7)}
    shortest = next((d for d, step in steps.items() if (low // step + 1) * step < low + width), 7)
    assert 2 <= max(2, -int(Decimal(repr(found)).as_tuple().exponent)) <= shortest
