"""The failure of a command, with a message for a person."""


class LoadError(Exception):
    """The command failed and changed nothing. The message names the cause and the remedy."""
