"""Scores for the clients of other servers: the Open Inference Protocol, and MLflow's scoring protocol."""
