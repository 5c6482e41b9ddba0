"""Why a command could not do its work: one message for a person that says what to do."""


class LoadError(Exception):
    """Nothing was changed. The message names the cause and the way out."""
