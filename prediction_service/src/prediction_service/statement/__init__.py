"""What a client is told about a decision."""
