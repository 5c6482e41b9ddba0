"""The audit: checks records, commitments, tiles and checkpoints against each other. It trusts the verifier key only."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import orjson
import psycopg

from decision_log.commands.audited_erasures import AuditedErasures
from decision_log.commands.audited_tree import AuditedTree, stored_checkpoints
from decision_log.commands.report import Report
from decision_log.commands.snapshot import Row, Snapshot
from decision_log.entries import Listed, commitment, differing
from decision_log.tree.checkpoints import verified
from decision_log.tree.notes import Verifier

# An instant that Python cannot hold becomes null, and so differs from the record.
_RECORDS = """
    SELECT r.decision_id, kind, CASE WHEN decided_at BETWEEN '0001-01-02' AND '9999-12-30' THEN decided_at END,
           client_id, decision, score, model_version, origin, reviews, record, salt, commitment, index
      FROM records AS r LEFT JOIN leaves USING (commitment)
"""
_ABOUT = "SELECT 2 * coalesce(max(index) + 1, 0) FROM leaves"
_NO_INDEX = float("inf")

Erased = Sequence[tuple[int, UUID]]
"""Index and id of each record that an erasure removed."""


class Audit:
    """Audits one snapshot of the database. It calls `advance` with the number of rows done since the last call.

    Memory: two bytes for each entry of the log, and the records that are not in the log yet.
    """

    def __init__(self, connection: psycopg.Connection, verifier: Verifier, advance: Callable[[int], None]) -> None:
        self._snapshot = Snapshot(connection, advance)
        self._verifier = verifier
        self._report = Report()
        self._present = bytearray()
        self._named = bytearray()
        self._unplaced: dict[bytes, tuple[UUID, Erased]] = {}
        self._erasures = AuditedErasures(self._snapshot, self._report)

    def total(self) -> int:
        """The approximate number of rows to read: entries and records."""
        [[total]] = self._snapshot.all(_ABOUT)
        return int(total)  # type: ignore[call-overload, no-any-return]

    def run(self, kept: Sequence[str] = (), witnesses: Sequence[Verifier] = ()) -> Report:
        """Audit the log, which must extend the `kept` checkpoints. Raises NoteRefused if one of those is invalid.

        Cosignatures of `witnesses` must verify, but need not exist.
        """
        outside = [verified(note, self._verifier) for note in kept]
        stored = stored_checkpoints(self._snapshot, self._verifier, witnesses, self._report)
        AuditedTree(self._snapshot, self._report, stored + outside).check()
        self._present = bytearray(self._report.entries)
        self._named = bytearray(self._report.entries)
        for row in self._snapshot.rows("records", _RECORDS):
            self._record(row)
        self._erasures.check_others()
        self._queue()
        self._gone()
        return self._report

    def _record(self, row: Row) -> None:
        self._report.records += 1
        listed, index = Listed(*row[:9]), row[12]  # type: ignore[arg-type]
        place, where = (_NO_INDEX, "") if index is None else (float(index), f" (index {index})")  # type: ignore[arg-type]
        wrong, erased = _checked(listed, *row[9:12])  # type: ignore[arg-type]
        if wrong:
            self._report.found(place, f"Record {listed.decision_id}{where} {wrong}.")
        if erased:
            self._erasures.check(place, listed.decision_id, (decision_id for _, decision_id in erased))
        if index is None:
            self._unplaced[row[11]] = (listed.decision_id, erased)  # type: ignore[index]
            return
        self._erased(erased)
        if 0 <= index < self._report.entries:  # type: ignore[operator]
            if self._present[index]:  # type: ignore[call-overload]
                self._report.found(place, f"Record {listed.decision_id} stands twice at index {index}.")
            self._present[index] = 1  # type: ignore[call-overload]

    def _erased(self, erased: Erased) -> None:
        for index, _ in erased:
            if 0 <= index < self._report.entries:
                self._named[index] = 1

    def _queue(self) -> None:
        """Check that each record without an index is queued."""
        for [queued] in self._snapshot.rows("queued", "SELECT commitment FROM queue"):
            if found := self._unplaced.pop(queued, None):  # type: ignore[call-overload]
                self._report.queued += 1
                self._erased(found[1])
        for decision_id, _ in self._unplaced.values():
            self._report.found(_NO_INDEX, f"Record {decision_id} was added: it is neither in the log nor queued.")

    def _gone(self) -> None:
        index = self._present.find(0)
        while index >= 0:
            if self._named[index]:
                self._report.erased += 1
            else:
                self._report.found(index, f"The record at index {index} is missing, and no erasure names it.")
            index = self._present.find(0, index + 1)


def _checked(listed: Listed, record: bytes, salt: bytes, stored: bytes) -> tuple[str | None, Erased]:
    """What is wrong with this record alone (None: nothing), and the records that it names as erased."""
    if commitment(salt, record) != stored:
        return "was changed: it is not what its commitment was made of", []
    try:
        document = orjson.loads(record)
        name = differing(listed, document)
        erased = _named(document) if document.get("kind") == "erasure" else []
    except (ValueError, AttributeError, KeyError, TypeError):
        return "is not a JSON document of its kind", []
    return (f"is listed with another {name} than it says", []) if name else (None, erased)


def _named(document: dict[str, Any]) -> Erased:
    return [(int(item["index"]), UUID(item["decision_id"])) for item in document["erased"]]
