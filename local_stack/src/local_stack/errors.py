"""Why the stack could not run: one message for a person, with a way out."""


class StackError(Exception):
    """The message says what is wrong and what to do about it."""
