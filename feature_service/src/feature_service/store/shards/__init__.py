"""Several databases, each the system of record of its share of the clients."""
