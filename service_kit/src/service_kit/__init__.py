"""What all services share: problem details, request ids, logs, metrics, health checks, offline documentation."""
