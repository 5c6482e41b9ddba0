"""DynamoDB as an online store: requests, their failures, and implementations of reads and writes."""
