"""A service's access to records, outcomes and the tree in PostgreSQL: every SQL statement that it runs."""
