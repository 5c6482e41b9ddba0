"""The words of a statement that do not depend on the decision, and those of its variations."""

from typing import Any

from prediction_service.statement.variation import Variation

DECIDED = {
    "approve": "Your application was approved.",
    "refer": "Your application was not decided automatically. A person will look at it.",
    "decline": "Your application was declined.",
}
_LED_TO = {"approve": "approval", "refer": "a decision by a person"}

NOTICE = (
    "The Federal Equal Credit Opportunity Act prohibits creditors from discriminating against credit applicants on the basis "
    "of race, color, religion, national origin, sex, marital status, age (provided the applicant has the capacity to enter "
    "into a binding contract); because all or part of the applicant's income derives from any public assistance program; or "
    "because the applicant has in good faith exercised any right under the Consumer Credit Protection Act. The Federal agency "
    "that administers compliance with this law concerning this creditor is {agency}."
)
"""12 CFR 1002.9(b)(1)."""

REVIEW = "You can ask that a person reviews this decision, say what you think of it, and contest it. Name the decision id. {contact}"
CORRECTION = (
    "If a value that is named here is wrong or out of date, ask for its correction, and for a new decision on the corrected "
    "value. {contact}"
)
DRAFT = "Draft: the creditor's lawyers have to check this text, and what else the law asks for, before it is given to an applicant."
NO_TABLES = "The model that decided has no tables: neither exact reasons nor variations can be given."


def shown(value: Any, *, flag: bool = False) -> str:
    """A value for people."""
    if value is None:
        return "not on record"
    if flag and value in (0, 1):
        return "yes" if value else "no"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def variation_text(variation: Variation, edge: float | None) -> str:
    """`edge`: what the value has to exceed, where it is no whole number."""
    feature = variation.feature
    subject = feature.description.strip().rstrip(".")
    if variation.decision is None:
        return f"{subject}: no single change of this value would have led to a more favourable decision."
    flag = feature.type == "flag"
    unit = f" {feature.unit}" if feature.unit and not flag else ""
    to = shown(variation.to, flag=flag) if edge is None else f"more than {shown(edge)}"
    stored = shown(variation.stored, flag=flag)
    led_to = _LED_TO[variation.decision]
    return f"{subject}: {to}{unit} instead of {stored} would have led to {led_to}, everything else unchanged."


def place_text(below: float, at_or_below: float) -> str:
    return f"Of the people that the model was made from, {below:.1%} have a lower risk, and {1 - at_or_below:.1%} a higher one."
