"""The failure of the local stack, with a message for a person."""


class StackError(Exception):
    """The stack cannot run. The message names the cause and the remedy."""
