"""The feature set in force: followed in the database, prepared for requests, and encoded into vectors."""
