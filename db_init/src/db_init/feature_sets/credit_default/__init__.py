"""The shipped feature set `credit_default`: loans of clients."""
