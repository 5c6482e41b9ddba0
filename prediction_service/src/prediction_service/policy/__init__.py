"""The policy: derives the decision from the probability and from missing, failed or stale values."""
