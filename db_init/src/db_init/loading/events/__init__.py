"""Loading of raw events: parse, compare with stored events, compute features, write."""
