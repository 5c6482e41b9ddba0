"""The error of training."""


class TrainingDataError(Exception):
    """No model can be trained. The message says why, and contains no value of the data."""
