"""Check of the windows of a pipeline: they may contain only events strictly before the time of the event."""

from typing import Any

import ibis.expr.operations as ops

from shared_schemas.feature_sets import Source

Node = Any

CHANCE = (ops.TimestampNow, ops.DateNow, ops.RandomScalar, ops.RandomUUID)
"""Operations whose result would differ in a second load."""

_KEEPS_ORDER = (
    ops.Date, ops.DateTruncate, ops.TimestampTruncate, ops.ExtractEpochSeconds, ops.ExtractYear, ops.Floor, ops.Ceil,
    ops.Round,
)  # fmt: skip
"""Monotonic operations: a later event time gives an equal or greater value."""

_DIFFERENCES = (ops.Subtract, ops.TimestampDiff, ops.DateDiff, ops.TimestampDelta, ops.DateDelta)


def sees_too_much(window: Node, source: Source) -> str | None:
    """Why a window may contain other events than those before the time of the event; None if it cannot."""
    if len(window.order_by) != 1 or not window.order_by[0].ascending:
        return f"a window without one ascending order of {source.event_time}"
    if not _in_order(window.order_by[0].arg, source.event_time):
        return f"a window in another order than that of {source.event_time}"
    if isinstance(window.func, (ops.MinRank, ops.DenseRank)):
        return None
    if isinstance(window.func, ops.Analytic):
        return "an order among events of one time: only rank and dense_rank do without"
    ends_before = window.end is not None and window.end.preceding and _positive(window.end.value)
    return None if window.how == "range" and ends_before else "a window that does not end before the time of the event"


def _in_order(node: Node, time: str) -> bool:
    """Whether a later event time gives an equal or greater value."""
    while not isinstance(node, ops.Field):
        node = _rising_part(node)
        if node is None:
            return False
    return bool(node.name == time)


def _rising_part(node: Node) -> Node | None:
    """The operand with which an expression rises; None if it is not known to rise."""
    part = None
    if isinstance(node, ops.Cast):  # a cast to text or to a time of day does not keep the order
        part = node.arg if node.to.is_numeric() or node.to.is_date() or node.to.is_timestamp() else None
    elif isinstance(node, _KEEPS_ORDER):
        part = node.arg
    elif isinstance(node, (ops.Add, ops.Multiply)) and isinstance(node.left, ops.Literal):
        part = node.right if isinstance(node, ops.Add) or _positive(node.left) else None
    elif isinstance(node, (ops.Add, *_DIFFERENCES)):
        part = node.left if isinstance(node.right, ops.Literal) else None
    elif isinstance(node, (ops.Multiply, ops.Divide, ops.FloorDivide)):
        part = node.left if _positive(node.right) else None
    return part


def _positive(value: Node) -> bool:
    if isinstance(value, ops.Cast):
        return _positive(value.arg)
    amount = value.value if isinstance(value, ops.Literal) else None
    return amount is not None and bool(amount > type(amount)(0))
