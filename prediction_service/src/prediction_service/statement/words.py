"""The sentences of a statement, and how it writes numbers."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from prediction_service.scoring.scorecard import FeatureTable
from prediction_service.statement.variation import Variation, cell_of, edge_below

DECIDED = {
    "approve": "Your application was approved.",
    "refer": "Your application was not decided automatically. A person will look at it.",
    "decline": "Your application was declined.",
}
_DECIMALS = range(2, 20)
_SHORT = Decimal("0.0001")
_DIGITS = 400
"""Decimal precision, more than the digits of any float."""
_LED_TO = {"approve": "approval", "refer": "a decision by a person"}

NOTICE = (
    "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit applicants on the basis "
    "of race, color, religion, national origin, sex, marital status, age (provided the applicant has the capacity to enter "
    "into a binding contract); because all or part of the applicant's income derives from any public assistance program; or "
    "because the applicant has in good faith exercised any right under the Consumer Credit Protection Act. The Federal agency "
    "that administers compliance with this law concerning this creditor is {agency}."
)
"""The notice of 12 CFR 1002.9(b)(1)."""

REVIEW = "You can ask that a person reviews this decision, say what you think of it, and contest it. Name the decision id. {contact}"
CORRECTION = (
    "If a value that is named here is wrong or out of date, ask for its correction, and for a new decision on the corrected "
    "value. {contact}"
)
DRAFT = "Draft: the creditor's lawyers have to check this text, and what else the law asks for, before it is given to an applicant."
NO_TABLES = "The model that decided has no tables: neither exact reasons nor variations can be given."


def shown(value: Any, *, flag: bool = False) -> str:
    """A value as text for people. It rounds no number; see `told`."""
    if value is None:
        return "not on record"
    if flag and value in (0, 1):
        return "yes" if value else "no"
    return str(value)


def told(value: float, rounding: str, largest_error: float, still: Callable[[float], bool]) -> str:
    """A number as text: exact if two to four decimals suffice, else rounded.

    Rounds to the fewest decimals with an error of at most `largest_error` for which `still` holds.
    """
    exact = Decimal(repr(value))
    with localcontext(prec=_DIGITS):
        for decimals in _DECIMALS:
            rounded = exact.quantize(Decimal(1).scaleb(-decimals), rounding)
            close = abs(rounded - exact) <= Decimal(largest_error) and still(float(rounded))
            if rounded == exact or (close and exact != exact.quantize(_SHORT)):
                return f"{rounded:,f}"
    return str(exact)


def variation_text(variation: Variation, table: FeatureTable) -> str:
    """The sentence about a variation. `table`: of its feature. A rounded number also leads to the stated decision."""
    feature = variation.feature
    subject = feature.description.strip().rstrip(".")
    if variation.decision is None:
        return f"{subject}: no single change of this value would have led to a more favourable decision."
    flag = feature.type == "flag"
    unit = f" {feature.unit}" if feature.unit and not flag else ""
    to, stored = shown(variation.to, flag=flag), shown(variation.stored, flag=flag)
    if feature.type == "number":
        to, stored = _numbers(variation, table)
    led_to = _LED_TO[variation.decision]
    return f"{subject}: {to}{unit} instead of {stored} would have led to {led_to}, everything else unchanged."


def _numbers(variation: Variation, table: FeatureTable) -> tuple[str, str]:
    """The texts of the value to reach and of the stored value, each rounded by at most 1 % of their difference."""
    to, stored = variation.to, variation.stored
    largest_error = abs(to - (stored or 0.0)) / 100
    low, high = cell_of(variation.feature, table, to)
    if (edge := edge_below(table, to)) is not None:
        words = "more than " + told(edge, ROUND_CEILING, largest_error, lambda rounded: rounded < high)
    else:
        words = told(to, ROUND_FLOOR, largest_error, lambda rounded: low <= rounded <= high)
    return words, shown(stored) if stored is None else told(stored, ROUND_HALF_EVEN, largest_error, lambda _: True)


def place_text(below: float, at_or_below: float) -> str:
    return f"Of the people that the model was made from, {below:.1%} have a lower risk, and {1 - at_or_below:.1%} a higher one."
