"""The dossier of a version: what a validator or a supervisor asks for, from artefact, log and monitoring."""
