"""Compares events with each other and with those that are stored. Ibis expressions for any engine."""

from collections.abc import Sequence
from typing import Any

import ibis

from db_init.loading.names import EVENT, LINE

Table = Any


def judged(lines: Table, columns: Sequence[str]) -> Table:
    """Lines that were parsed without a reason, and stored events as line 0: each with its `verdict`.

    `keep` (the first line of an event), `stored` (line 0), `unchanged` (as stored), `dropped` (as an earlier line), or
    `conflict` (an event id seen before with other content). `columns` are those of an event.
    """
    counted = lines.group_by(EVENT).agg(lines=lines.count())
    repeated = counted.filter(counted.lines > 1)
    once = lines.anti_join(repeated, EVENT)
    once = once.mutate(verdict=(once[LINE] == 0).ifelse("stored", "keep"))
    return once.union(_judged_together(lines.semi_join(repeated, EVENT), columns))


def _judged_together(lines: Table, columns: Sequence[str]) -> Table:
    first = ibis.window(group_by=lines[EVENT], order_by=lines[LINE])
    content = ibis.literal("")
    for name in columns[1:]:
        content = content.concat("|", lines[name].cast("string").fill_null(""))
    marked = lines.mutate(content=content)
    marked = marked.mutate(
        first_content=marked.content.first().over(first), first_line=marked[LINE].first().over(first)
    )
    verdict = ibis.cases(
        (marked[LINE] == 0, "stored"),
        (marked[LINE] == marked.first_line, "keep"),
        (marked.content != marked.first_content, "conflict"),
        (marked.first_line == 0, "unchanged"),
        else_="dropped",
    )
    return marked.mutate(verdict=verdict).drop("content", "first_content", "first_line")
