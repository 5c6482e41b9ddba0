"""Answers how likely a client is to default."""
