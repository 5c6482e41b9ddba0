"""The policy: what follows from a probability and from values that are missing, failed or stale."""
