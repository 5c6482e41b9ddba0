"""DynamoDB as an online store: requests, what goes wrong with them, and the two halves of the seam."""
