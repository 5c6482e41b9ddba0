"""How every service behaves: problem details, request ids, logs, metrics, health, offline docs."""
