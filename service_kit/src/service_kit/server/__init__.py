"""The HTTP server process: limits of the protocol, start and orderly stop."""
