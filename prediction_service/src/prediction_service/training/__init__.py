"""Trains, validates and describes a model version. Needs the `train` extra; serving imports none of it."""
