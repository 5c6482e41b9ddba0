"""Scoring with the protocols of other servers: the Open Inference Protocol V2 and MLflow's scoring protocol."""
