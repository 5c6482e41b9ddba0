"""The failures of the decision log, with their messages."""

from uuid import UUID


class DecisionLogError(Exception):
    """The message is one sentence for a person. It names the cause and, where there is one, the way out."""


class LogUnavailable(DecisionLogError):
    """The decision database is away, full, or too slow. What was asked may be asked again.

    `cause` is the kind of fault, for the caller's log.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(f"The decision log is not available ({cause}).")
        self.cause = cause


class AlreadyRecorded(DecisionLogError):
    """One of these ids is that of another record. Nothing of the call was recorded."""

    def __init__(self, decision_ids: list[UUID]) -> None:
        super().__init__("Another record has one of these ids.")
        self.decision_ids = decision_ids


class EntryRefused(DecisionLogError):
    """The database does not take an entry of this call: a value out of range, or a review of a decision that is gone.

    Nothing of the call was recorded.
    """

    def __init__(self) -> None:
        super().__init__("The decision log does not take this entry.")


class CannotSign(DecisionLogError):
    """The sequencer must not sign. The message says why and what to do."""


class CommandFailed(DecisionLogError):
    """A command could not do its work."""
