"""Monitoring of the model in use: a process that folds decisions into counts, and the answers from these counts."""
