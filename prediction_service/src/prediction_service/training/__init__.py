"""Trains, validates and describes model versions. Needs the extra `train`; the service never imports it."""
