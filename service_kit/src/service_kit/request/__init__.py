"""Everything that happens to a request before and after its handler."""
