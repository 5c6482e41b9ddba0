"""The history's index in the order in which as-of reads want it: the newest event first, at one instant the last loan."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("""
        CREATE UNIQUE INDEX feature_history_newest
            ON feature_history (client_id, event_timestamp DESC, loan_id DESC NULLS LAST) NULLS NOT DISTINCT;
        DROP INDEX feature_history_event;
        ALTER INDEX feature_history_newest RENAME TO feature_history_event;
    """)
