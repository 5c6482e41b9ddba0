"""Model versions on disk: reading, verifying, following and serving them."""
