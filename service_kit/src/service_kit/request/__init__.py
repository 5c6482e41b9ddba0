"""Everything that happens to one request before and after its handler."""
