"""Several databases, each the system of record for its share of the clients."""
