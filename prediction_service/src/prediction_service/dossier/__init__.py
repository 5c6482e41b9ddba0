"""The dossier of a model version for a validator or a supervisor."""
