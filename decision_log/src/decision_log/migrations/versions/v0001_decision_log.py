"""Records and outcomes, the queue of commitments, the tree with its checkpoints."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        -- The columns beside `record` repeat what it says, for lists and counts; `audit` compares them.
        -- Records of up to 8 kB stay in the row: compressing them would cost more than the disk that it saves.
        CREATE TABLE records (
            decision_id   uuid        PRIMARY KEY,
            kind          text        NOT NULL CHECK (kind IN ('decision', 'review', 'erasure')),
            decided_at    timestamptz NOT NULL,
            client_id     bigint,
            decision      text,
            score         integer,
            model_version text,
            origin        text,
            reviews       uuid        REFERENCES records (decision_id),
            record        bytea       NOT NULL,
            salt          bytea       NOT NULL CHECK (octet_length(salt) = 32),
            commitment    bytea       NOT NULL CHECK (octet_length(commitment) = 32),
            CHECK ((kind = 'review') = (reviews IS NOT NULL))
        ) WITH (toast_tuple_target = 8160);
        ALTER TABLE records ALTER COLUMN record SET STORAGE EXTERNAL;
        CREATE INDEX records_decided ON records (decided_at, decision_id) INCLUDE (kind, model_version, decision);
        CREATE INDEX records_client ON records (client_id, decided_at, decision_id) WHERE client_id IS NOT NULL;
        CREATE INDEX records_reviews ON records (reviews) WHERE reviews IS NOT NULL;

        -- Commitments that have no index yet. The transaction that stores a record queues its commitment.
        CREATE TABLE queue (
            id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            commitment bytea  NOT NULL CHECK (octet_length(commitment) = 32)
        );

        -- The entries of the log in their order. Bundles are read from here.
        CREATE TABLE leaves (
            index      bigint PRIMARY KEY CHECK (index >= 0),
            commitment bytea  NOT NULL UNIQUE CHECK (octet_length(commitment) = 32)
        );

        -- The hashes of the tree. The last tile of a level grows; a partial tile of an earlier size is its beginning.
        CREATE TABLE tiles (
            level  smallint NOT NULL CHECK (level BETWEEN 0 AND 63),
            number bigint   NOT NULL CHECK (number >= 0),
            hashes bytea    NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
            PRIMARY KEY (level, number)
        );
        ALTER TABLE tiles ALTER COLUMN hashes SET STORAGE EXTERNAL;

        CREATE TABLE checkpoints (
            id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            origin    text        NOT NULL,
            size      bigint      NOT NULL CHECK (size >= 0),
            note      text        NOT NULL,
            signed_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (origin, size)
        );
        CREATE TABLE cosignatures (
            checkpoint bigint NOT NULL REFERENCES checkpoints (id),
            witness    text   NOT NULL,
            line       text   NOT NULL,
            PRIMARY KEY (checkpoint, witness)
        );

        -- What was observed of a decision. Rows are added only; of several the one observed last holds.
        CREATE TABLE outcomes (
            decision_id uuid        NOT NULL REFERENCES records (decision_id) ON DELETE CASCADE,
            observed_at timestamptz NOT NULL,
            defaulted   boolean     NOT NULL,
            recorded_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (decision_id, observed_at)
        );
        CREATE VIEW current_outcomes AS
            SELECT DISTINCT ON (decision_id) decision_id, observed_at, defaulted, recorded_at
              FROM outcomes ORDER BY decision_id, observed_at DESC;

        -- The ids that were erased, and the record of the log that says so.
        CREATE TABLE erasures (
            decision_id uuid PRIMARY KEY,
            erased_by   uuid NOT NULL
        );
    """)
