-- Raw events whose features an earlier event or another pipeline has changed. They keep their first time of receipt.
UPDATE feature_history AS h SET said = replaced.said FROM replaced WHERE h.event_id = replaced.event_id
