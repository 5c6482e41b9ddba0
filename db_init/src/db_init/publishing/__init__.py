"""Brings the online store to DynamoDB: marks of changes, the table, and the work between them."""
