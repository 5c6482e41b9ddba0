"""The statement to a client about a decision."""
