"""Forward-only migrations in plain SQL. One that has been merged is never edited."""
