"""Answers questions about the features of clients, from PostgreSQL or DynamoDB."""
