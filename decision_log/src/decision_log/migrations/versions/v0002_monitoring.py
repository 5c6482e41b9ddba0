"""What monitoring has counted; and the order in which records and outcomes arrived, by which it follows them."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        -- Not an instant: clocks step, and transactions commit out of order.
        ALTER TABLE records ADD COLUMN arrival bigint GENERATED ALWAYS AS IDENTITY;
        CREATE UNIQUE INDEX records_arrival ON records (arrival);

        -- How far the records are folded, and the version whose streams are watched.
        CREATE TABLE monitoring_progress (
            only_row       boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
            arrival        bigint      NOT NULL DEFAULT 0,
            rebuild_until  bigint      NOT NULL DEFAULT 0,
            folded_at      timestamptz,
            matured_at     timestamptz,
            champion       text,
            champion_since date
        );
        INSERT INTO monitoring_progress DEFAULT VALUES;

        -- Clients decided on `day` whose counted decision before, by the same version, was on `previous_day` (null: none that
        -- matters). `log_odds` and `squares` are sums over these clients.
        CREATE TABLE monitoring_counts (
            model_version text             NOT NULL,
            stream        text             NOT NULL,
            day           date             NOT NULL,
            previous_day  date             CHECK (previous_day < day),
            bin           smallint         NOT NULL CHECK (bin >= 0),
            clients       bigint           NOT NULL CHECK (clients > 0),
            log_odds      double precision NOT NULL,
            squares       double precision NOT NULL,
            UNIQUE NULLS NOT DISTINCT (model_version, stream, day, previous_day, bin)
        );

        -- Of a stream: from which day its windows start, what was adopted as reference, and its evidence.
        CREATE TABLE monitoring_streams (
            model_version text NOT NULL,
            stream        text NOT NULL,
            not_before    date,
            adopted       bigint[],
            log_e         double precision,
            since         date,
            log_threshold double precision,
            PRIMARY KEY (model_version, stream)
        );

        -- Outcomes of matured decisions by the month of the decision, and what they say of the version.
        CREATE TABLE monitoring_months (
            model_version text               NOT NULL,
            month         date               NOT NULL CHECK (extract(day FROM month) = 1),
            sums          double precision[] NOT NULL CHECK (cardinality(sums) = 189),
            figures       json               NOT NULL,
            PRIMARY KEY (model_version, month)
        );
        CREATE TABLE monitoring_reports (
            model_version text        NOT NULL,
            name          text        NOT NULL CHECK (name IN ('total', 'comparison')),
            report        json        NOT NULL,
            made_at       timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (model_version, name)
        );

        CREATE TABLE monitoring_alarms (
            id              uuid             PRIMARY KEY,
            model_version   text             NOT NULL,
            stream          text             NOT NULL,
            state           text             NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'acknowledged', 'superseded')),
            opened_at       timestamptz      NOT NULL DEFAULT now(),
            closed_at       timestamptz      CHECK ((closed_at IS NULL) = (state = 'open')),
            closed_by       text,
            action          text             CHECK (action IN ('keep_reference', 'adopt_reference')),
            since           date             NOT NULL,
            log_e           double precision NOT NULL,
            log_e_now       double precision NOT NULL,
            log_threshold   double precision NOT NULL,
            size            double precision,
            severity        text             NOT NULL,
            largest         json,
            CHECK ((action IS NOT NULL) = (state = 'acknowledged'))
        );
        CREATE UNIQUE INDEX monitoring_alarms_open ON monitoring_alarms (model_version, stream) WHERE state = 'open';
    """)
