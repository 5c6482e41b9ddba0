"""Check of the table of erased records against the erasures in the log.

Reads use this table to distinguish erased records from unknown ones.
"""

from collections.abc import Iterable
from uuid import UUID

from decision_log.commands.report import Report
from decision_log.commands.snapshot import Snapshot

_LISTED = "SELECT decision_id FROM erasures WHERE decision_id = ANY (%s) AND erased_by = %s"
_UNKNOWN = """
    SELECT erasures.decision_id FROM erasures LEFT JOIN records AS by ON by.decision_id = erased_by AND by.kind = 'erasure'
     WHERE by.decision_id IS NULL ORDER BY erasures.decision_id LIMIT 1
"""
_COUNT = "SELECT count(*) FROM erasures"
_LAST = float("inf")


class AuditedErasures:
    """Checks that the table lists each id that an erasure names, as erased by it, and no other id."""

    def __init__(self, snapshot: Snapshot, report: Report) -> None:
        self._snapshot = snapshot
        self._report = report
        self._listed = 0

    def check(self, place: float, erasure: UUID, named: Iterable[UUID]) -> None:
        """Check the ids `named` by an erasure. `place` is the erasure's place in the log."""
        ids = set(named)
        listed = {row[0] for row in self._snapshot.all(_LISTED, list(ids), erasure)}
        self._listed += len(listed)
        if missing := ids - listed:
            words = f"Erasure {erasure} names record {min(missing)}, which is not listed as erased by it"
            self._report.found(place, f"{words} (of {len(missing):,} such records the first).")

    def check_others(self) -> None:
        """Report listed ids that no erasure names. Call it after `check` of all erasures."""
        [[count]] = self._snapshot.all(_COUNT)
        if (others := int(count) - self._listed) > 0:  # type: ignore[call-overload]
            unknown = self._snapshot.all(_UNKNOWN)
            first = f", such as {unknown[0][0]}" if unknown else ""
            self._report.found(_LAST, f"{others:,} record(s) are listed as erased that no erasure names so{first}.")
