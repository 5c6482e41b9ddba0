"""Reads from replicas of PostgreSQL whose lag is measured, bounded and said in the answer."""
