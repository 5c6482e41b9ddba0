"""Monitoring at work: a process that folds decisions into counts, and what is served of them."""
