"""Scoring of vectors: quality check, scorecard, reasons. Pure functions: no HTTP, no files."""
