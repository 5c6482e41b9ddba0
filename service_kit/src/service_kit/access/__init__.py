"""Which request is admitted: API keys and the rules that say what each key may do."""
