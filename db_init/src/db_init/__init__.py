"""Owns the database: migrations, feature pipeline, loading, sample data."""
