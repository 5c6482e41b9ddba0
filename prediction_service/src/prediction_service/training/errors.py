"""Why no model comes of some rows."""


class TrainingDataError(Exception):
    """No model comes of this. The message says why, and repeats no value of the data."""
