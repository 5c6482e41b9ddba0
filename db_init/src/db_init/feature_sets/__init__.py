"""Feature sets: reading, applying, drafting, and the shipped sets."""
