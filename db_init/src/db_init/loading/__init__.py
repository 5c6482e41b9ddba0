"""Files into the database: reading, judging, comparing, writing.

Tables of one load. Those of the engine live in its temporary folder, `(pg)` are temporary tables of the last transaction.

    file ──read──> raw ──parse──> lines ──judge──> judged ──pipeline──> events ──> computed
                   malformed         │               ▲  │                              │
    feature_history ──> fetched ──> stored ──────────┘  └──> refused       everyone <──┘
                                                               │              │
                                    quarantine <── refused (pg)┘              ├──> fresh_history ──> feature_history
                                                                              │       replaced (pg) ──> its `said`
                                                                              └──> fresh_online ──> fresh_online (pg)
                                                                                                     ──> online_features

    raw        cells as text, by line          events    what the pipeline sees: no outcome, no group
    malformed  lines that are no cells         computed  what it returns, by event
    lines      typed, with the reason of refusal  everyone  every event of the clients with new events, as JSON
    stored     events of the same clients      fresh_history  new events, and stored ones whose features change
    judged     lines and stored events, each with its verdict   fresh_online  the newest raw event of each client
    refused    what goes into quarantine       kept, read_again, unread, origin, tried  lines of quarantine, tried again

An import of vectors: raw ──> cells ──> vectors ──> judged, refused, and `fresh` (pg).
"""
