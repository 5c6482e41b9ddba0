"""Decides about every client of the store."""
