-- Clients whose vector is not known to be published as it is now, with the revision that it has. Each change of a vector
-- gives it the next revision, in the transaction of the change and while that holds the row: of two revisions of a client
-- the larger is that of the later vector. Empty, and nothing is marked, until `publish` creates the triggers.
CREATE SEQUENCE online_revisions AS bigint;

CREATE TABLE online_changes (
    client_id bigint PRIMARY KEY CHECK (client_id > 0),
    rev       bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);

-- Runs as the owner: the roles that change vectors may not change marks.
CREATE FUNCTION mark_online_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO online_changes (client_id, rev)
    SELECT client_id, nextval('online_revisions') FROM changed ORDER BY client_id
        ON CONFLICT (client_id) DO UPDATE SET rev = excluded.rev;
    RETURN NULL;
END $$;

-- The table that changes are published to, while they are. `after_client`: a full publish goes on marking there; null: all
-- are marked. `filled`: everything that was marked for it has been brought.
CREATE TABLE online_publishing (
    target       text    NOT NULL,
    after_client bigint,
    filled       boolean NOT NULL
);
CREATE UNIQUE INDEX online_publishing_one ON online_publishing ((true));
