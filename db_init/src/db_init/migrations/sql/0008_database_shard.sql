-- Which of the databases this is that share the clients. No row: it is the only one.
CREATE TABLE database_shard (
    number       integer NOT NULL CHECK (number >= 1),
    of_databases integer NOT NULL CHECK (of_databases >= greatest(2, number))
);
CREATE UNIQUE INDEX database_shard_one ON database_shard ((true));
GRANT SELECT ON database_shard TO PUBLIC;

-- The number of the database that knows a client. As shard_of in shared_schemas.
CREATE FUNCTION shard_of(client_id bigint, of_databases integer) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN client_id % 2147483647 * 1327217884 % 2147483629 * 48271 % 2147483647 % of_databases + 1;

-- How often each content was loaded into this one of several databases: the one that is behind the others is loaded next.
CREATE TABLE shard_loads (
    content   text        PRIMARY KEY,  -- command, digest of the feature set, SHA-256 of the file
    times     bigint      NOT NULL,
    loaded_at timestamptz NOT NULL
);
