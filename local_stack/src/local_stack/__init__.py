"""Everything on one machine without Docker: embedded PostgreSQL and both services."""
