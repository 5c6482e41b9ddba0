"""The process that gives commitments their index, extends the tree and signs it. It cannot read records."""
