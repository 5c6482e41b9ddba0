"""The way to the feature service."""
