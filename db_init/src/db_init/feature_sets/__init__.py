"""Feature sets: reading, applying, and those that are shipped."""
