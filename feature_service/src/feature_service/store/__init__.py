"""Access to what is known about clients: the interface of the online store, its implementations, and the history."""
