"""The parts of a request and of its answer: identity, deadline, parsing, headers, refusals, and dialects of failures."""
