"""Features of a payment by card from the holder's earlier payments."""

import ibis
from ibis.expr.types import Column, Table


def features(events: Table) -> dict[str, Column]:
    second = events.paid_at.epoch_seconds().cast("int64")
    earlier = ibis.range_window(order_by=second, preceding=(90 * 86_400, 1))
    cents = (events.amount * 100).round().cast("int64")
    return {
        "payments": ibis.rank().over(ibis.window(order_by=second)).cast("int64"),
        "spent_90_days": cents.sum().over(earlier).cast("float64") / 100,
        "shop": events.shop.isin(["food", "fuel"]).ifelse(events.shop, ibis.null("string")),
    }
