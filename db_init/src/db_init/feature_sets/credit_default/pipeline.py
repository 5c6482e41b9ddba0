"""Features of a loan from the client's earlier loans. Loans of one day do not see each other."""

import ibis
from ibis.expr.types import Column, Table

_FRACTION = 1e12
"""Fractions of amounts are counted in this part of one."""


def features(events: Table) -> dict[str, Column]:
    """Sums are of integers, so that they depend neither on the order in which an engine adds nor on how it makes decimals.

    The features in completed years follow from their dates, by their declaration.
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
