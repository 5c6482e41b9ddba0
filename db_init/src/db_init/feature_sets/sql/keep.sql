-- Keep only the values of these keys, in the history and in the online store. Writes without any value left are deleted.
CREATE TEMP TABLE speaking ON COMMIT DROP AS
SELECT DISTINCT client_id
  FROM feature_history
 WHERE EXISTS (SELECT FROM json_object_keys(said) AS key WHERE key <> ALL (current_setting('db_init.kept')::text[]));

UPDATE feature_history
   SET said = (SELECT coalesce(json_object_agg(key, value), '{}') FROM json_each(said)
                WHERE key = ANY (current_setting('db_init.kept')::text[]))
 WHERE EXISTS (SELECT FROM json_object_keys(said) AS key WHERE key <> ALL (current_setting('db_init.kept')::text[]));

DELETE FROM feature_history USING speaking
 WHERE feature_history.client_id = speaking.client_id AND event_id IS NULL AND outcome IS NULL AND said::text = '{}';

DELETE FROM online_features USING speaking WHERE online_features.client_id = speaking.client_id;

INSERT INTO online_features (client_id, event_timestamp, v, times)
SELECT client_id, event_timestamp, coalesce(v, '{}'), times
  FROM features_as_of(ARRAY(SELECT client_id FROM speaking),
                      ARRAY(SELECT 'infinity'::timestamptz FROM speaking));
