"""The feature set of the demo: loans of one client."""
