"""Access control: API keys, and the rules that say which requests each key may make."""
