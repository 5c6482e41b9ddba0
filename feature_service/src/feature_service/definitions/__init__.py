"""The feature set that is in force: followed in the database, served, and encoded into vectors."""
