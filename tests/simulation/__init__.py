"""Simulated years of decisions and outcomes: what monitoring promises, measured."""
