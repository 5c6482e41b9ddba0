"""Access to the decision log: the connections of this process, and the check that it is the configured log."""
