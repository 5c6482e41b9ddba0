"""The feature store: history, online store, quarantine."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("""
        -- Every loan with the features as they stood then, and every vector that was imported or written (loan_id null).
        -- Amounts and dates of the loans are kept so that a late loan can correct what was computed, and so that ages
        -- can be given as of any instant.
        CREATE TABLE feature_history (
            client_id                 bigint           NOT NULL CHECK (client_id > 0),
            event_timestamp           timestamptz      NOT NULL,
            loan_id                   bigint,
            loan_amount               double precision CHECK (loan_amount >= 0),
            birthday                  date,
            job_start_date            date,
            nb_previous_loans         integer,
            avg_amount_loans_previous double precision,
            age                       integer,
            years_on_the_job          integer,
            flag_own_car              smallint,
            status                    smallint         CHECK (status IN (0, 1)),
            known_at                  timestamptz      NOT NULL DEFAULT now()
        );
        CREATE UNIQUE INDEX feature_history_event
            ON feature_history (client_id, event_timestamp, loan_id) NULLS NOT DISTINCT;
        CREATE UNIQUE INDEX feature_history_loan ON feature_history (loan_id) WHERE loan_id IS NOT NULL;

        -- The current vector of each client. Ranges are not checked here: what is stored is what was said, and the
        -- quality check of whoever reads it reports what is out of range.
        CREATE TABLE online_features (
            client_id                 bigint           PRIMARY KEY CHECK (client_id > 0),
            nb_previous_loans         integer,
            avg_amount_loans_previous double precision,
            age                       integer,
            years_on_the_job          integer,
            flag_own_car              smallint,
            event_timestamp           timestamptz      NOT NULL
        ) WITH (fillfactor = 90);

        -- Lines that were refused, by the file (its SHA-256) and the line in it.
        CREATE TABLE quarantine (
            source         text        NOT NULL,
            line           bigint      NOT NULL,
            reason         text        NOT NULL,
            row            jsonb       NOT NULL,
            quarantined_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (source, line)
        );
    """)
