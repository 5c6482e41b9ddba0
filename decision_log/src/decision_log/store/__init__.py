"""Records, outcomes and the tree in PostgreSQL, for the process that decides: every statement that it runs."""
