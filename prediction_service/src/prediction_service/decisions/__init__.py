"""Decisions as records: made, committed before they are answered, read, replayed and stated."""
