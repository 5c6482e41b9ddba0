"""The pipeline of `credit_default`: features of a loan from the client's loans on earlier days."""

import ibis
from ibis.expr.types import Column, Table

_FRACTION = 1e12
"""Fractions of amounts are summed as integers, in units of 1 / _FRACTION."""


def features(events: Table) -> dict[str, Column]:
    """The features that are not in completed years: those follow from their dates, as declared.

    Sums are of integers, so that they depend neither on an engine's order of addition nor on its conversion to
    decimals.
    """
    day = (events.loan_date.epoch_seconds() // 86_400).cast("int64")
    earlier = ibis.range_window(order_by=day, preceding=(None, 1))
    whole = events.loan_amount.floor()
    fraction = ((events.loan_amount - whole.cast("float64")) * _FRACTION).round()
    whole_total = whole.cast("decimal(38, 0)").sum().over(earlier).cast("float64")
    fraction_total = fraction.cast("decimal(38, 0)").sum().over(earlier).cast("float64")
    number = ibis.rank().over(ibis.window(order_by=day)).cast("int32")
    return {
        "nb_previous_loans": number,
        "avg_amount_loans_previous": (whole_total + fraction_total / _FRACTION) / number.nullif(0),
        "flag_own_car": events.flag_own_car,
    }
