"""The prediction service: answers how likely a client is to default."""
