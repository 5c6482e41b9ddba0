"""Credit decisions as records of a transparency log: write, read, prove.

A service opens the log with `open_decision_log`, turns each decision into an entry with `sealed`, and sends its answer
after `recorder.record` has returned. Everything else is a command: `python -m decision_log --help`.
"""

from decision_log.entries import Entry, Kind, Listed, commitment, sealed, uuid7
from decision_log.errors import AlreadyRecorded, DecisionLogError, EntryRefused, LogUnavailable
from decision_log.log import DecisionLog, open_decision_log
from decision_log.store.erasure import Erasure, Remaining
from decision_log.store.log_tree import LogTree, NotSequenced, Resource
from decision_log.store.outcomes import Outcome, Outcomes, Refused, Taken
from decision_log.store.postgres import Database, Source, open_database
from decision_log.store.recorder import Recorder
from decision_log.store.records import DayCount, Erased, Page, Query, Records

__all__ = [
    "AlreadyRecorded",
    "Database",
    "DayCount",
    "DecisionLog",
    "DecisionLogError",
    "Entry",
    "EntryRefused",
    "Erased",
    "Erasure",
    "Kind",
    "Listed",
    "LogTree",
    "LogUnavailable",
    "NotSequenced",
    "Outcome",
    "Outcomes",
    "Page",
    "Query",
    "Recorder",
    "Records",
    "Refused",
    "Remaining",
    "Resource",
    "Source",
    "Taken",
    "commitment",
    "open_database",
    "open_decision_log",
    "sealed",
    "uuid7",
]
