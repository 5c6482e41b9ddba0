"""Reads from replicas of PostgreSQL, with their lag measured, bounded, and named in the answer."""
