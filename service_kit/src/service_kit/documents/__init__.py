"""The OpenAPI document, and the documentation page, which works without the internet."""
