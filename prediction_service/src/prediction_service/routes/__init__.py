"""The operations of the prediction service."""
