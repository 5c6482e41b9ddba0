"""Answers what is known about a client, from PostgreSQL."""
