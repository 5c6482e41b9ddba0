"""The client of the feature service."""
