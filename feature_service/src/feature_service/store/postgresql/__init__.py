"""PostgreSQL as the system of record and as an online store."""
