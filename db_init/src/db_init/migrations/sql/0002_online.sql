INSERT INTO online_features (client_id, event_timestamp, v, times)
SELECT client_id, event_timestamp, v, times
  FROM features_as_of(ARRAY(SELECT DISTINCT h.client_id FROM feature_history AS h ORDER BY h.client_id),
                      ARRAY(SELECT 'infinity'::timestamptz FROM (SELECT DISTINCT h.client_id FROM feature_history AS h) AS c));
ANALYZE online_features;
