"""PostgreSQL: the system of record, and an online store."""
