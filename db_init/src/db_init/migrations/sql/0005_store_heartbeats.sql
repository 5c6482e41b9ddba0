-- The last number that each running process of the feature service has written. A replica that shows it has everything that
-- was committed before that process sent it.
CREATE TABLE store_heartbeats (
    process   uuid        PRIMARY KEY,
    beat      bigint      NOT NULL,
    beaten_at timestamptz NOT NULL
) WITH (fillfactor = 50);

-- Runs as the owner: the role of the service may write nothing else. Rows of processes that have ended go.
CREATE FUNCTION beat_store(of_process uuid, number bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp
BEGIN ATOMIC
    DELETE FROM store_heartbeats WHERE beaten_at < now() - interval '1 hour' AND process <> of_process;
    INSERT INTO store_heartbeats AS h (process, beat, beaten_at) VALUES (of_process, number, now())
        ON CONFLICT (process) DO UPDATE SET beat = excluded.beat, beaten_at = excluded.beaten_at WHERE h.beat < excluded.beat;
END;
