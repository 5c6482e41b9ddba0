"""The failures of the decision log, with their messages."""

from uuid import UUID


class DecisionLogError(Exception):
    """The base of all failures. The message is a sentence for a person: the cause and, if possible, the remedy."""


class LogUnavailable(DecisionLogError):
    """The decision database is unavailable, full or too slow. The caller may retry.

    `cause` is the kind of fault, for the caller's log.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"The decision log is not available ({cause}).")
        self.cause = cause


class AlreadyRecorded(DecisionLogError):
    """Other records have these decision ids. No entry of the call was recorded."""

    def __init__(self, decision_ids: list[UUID]) -> None:
        super().__init__("Another record has one of these ids.")
        self.decision_ids = decision_ids


class EntryRefused(DecisionLogError):
    """The database rejects an entry: a value is out of range, or the decision of a review does not exist any more.

    No entry of the call was recorded.
    """

    def __init__(self) -> None:
        super().__init__("The decision log does not take this entry.")


class CannotSign(DecisionLogError):
    """The sequencer must not sign. The message names the reason and the remedy."""


class CommandFailed(DecisionLogError):
    """A command could not do its work."""
