"""An emulator of DynamoDB, for tests and trials. Never for data that counts: it keeps nothing when it stops."""
