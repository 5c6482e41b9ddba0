"""Statistics of a model in use: stability, calibration, performance, comparison and fairness. Pure functions, no I/O."""
