"""Decisions and their records: decide, record before the answer, read, replay."""
