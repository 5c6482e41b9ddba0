"""The schema of the decision log: forward only, plain SQL, and the roles after it."""
