"""Validation out of sample: measures, choice of parameters from a grid, baselines, fairness."""
