"""The one process that gives commitments their index, extends the tree and signs it. It sees no records."""
