"""The log's tree as pure functions: hashes, tiles, proofs, signed notes, checkpoints. No input or output."""
