"""Loading of files into the database: reading, judging, comparing, writing.

The tables of one load. Tables of the engine are in its temporary folder. `(pg)` marks temporary tables in PostgreSQL,
which exist in the last transaction.

    file ──read──> raw ──parse──> lines ──judge──> judged ──pipeline──> events ──> computed
                   malformed         │               ▲  │                              │
    feature_history ──> fetched ──> stored ──────────┘  └──> refused       everyone <──┘
                                                               │              │
                                    quarantine <── refused (pg)┘              ├──> fresh_history ──> feature_history
                                                                              │       replaced (pg) ──> its `said`
                                                                              └──> fresh_online ──> fresh_online (pg)
                                                                                                     ──> online_features

    raw        cells as text, by line          events    the input of the pipeline: no outcome, no group
    malformed  lines that cannot be split into cells   computed  the output of the pipeline, by event
    lines      typed, with the reason of refusal  everyone  all events of the clients with new events, as JSON
    stored     events of the same clients      fresh_history  new events, and stored ones whose features change
    judged     lines and stored events, each with its verdict   fresh_online  the newest raw event of each client
    refused    lines for the quarantine        kept, read_again, unread, origin, tried  lines of quarantine, tried again

Without a file, `load --recompute` makes `judged` of all stored events; there are no lines, and nothing is refused.
An import of vectors: raw ──> cells ──> vectors ──> judged, refused, and `fresh` (pg).
"""
