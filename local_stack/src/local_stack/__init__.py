"""The local stack: PostgreSQL, both services, sequencer and monitor on one machine, without Docker."""
