"""The operations of the feature service."""
