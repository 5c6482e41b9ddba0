"""What is known about clients: the seam of the online store, its implementations, and the history."""
