"""Statistics for a model in use: stability, calibration, performance, comparison, fairness. Pure functions, no I/O."""
