"""Publishing of the online store to DynamoDB: marks of changes, the table, and the publisher."""
