"""Comparison of events with each other and with stored events, as Ibis expressions for any engine."""

from collections.abc import Sequence
from typing import Any

import ibis

from db_init.loading.names import EVENT, LINE, VERDICT

Table = Any
Column = Any


def judged(lines: Table, columns: Sequence[str]) -> Table:
    """The verdict on each of `lines`, which are the valid lines of the file and the stored events as line 0.

    `keep` (the first line of an event), `stored` (line 0), `unchanged` (equal to the stored event), `dropped` (equal to
    an earlier line), or `conflict` (its event id was seen before with other content). `columns`: those of an event.
    """
    counted = lines.group_by(EVENT).agg(__lines=lines.count())
    repeated = counted.filter(counted["__lines"] > 1)
    once = lines.anti_join(repeated, EVENT)
    once = once.mutate(**{VERDICT: (once[LINE] == 0).ifelse("stored", "keep")})
    return once.union(_judged_together(lines.semi_join(repeated, EVENT), columns))


def _judged_together(lines: Table, columns: Sequence[str]) -> Table:
    first = ibis.window(group_by=lines[EVENT], order_by=lines[LINE])
    content = ibis.literal("").concat(*(_counted(lines[name]) for name in columns[1:]))
    marked = lines.mutate(__content=content)
    first_content, first_line = marked["__content"].first().over(first), marked[LINE].first().over(first)
    marked = marked.mutate(__first_content=first_content, __first_line=first_line)
    verdict = ibis.cases(
        (marked[LINE] == 0, "stored"),
        (marked[LINE] == marked["__first_line"], "keep"),
        (marked["__content"] != marked["__first_content"], "conflict"),
        (marked["__first_line"] == 0, "unchanged"),
        else_="dropped",
    )
    return marked.mutate(**{VERDICT: verdict}).drop("__content", "__first_content", "__first_line")


def _counted(column: Column) -> Column:
    """The value as text after its length, so that concatenated values cannot be confused."""
    text = column.cast("string")
    return text.length().cast("string").concat(":", text).fill_null("-")
