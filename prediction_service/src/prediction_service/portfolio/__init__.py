"""The command `score-all`: decides about every client of the feature service."""
