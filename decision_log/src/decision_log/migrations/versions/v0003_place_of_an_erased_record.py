"""When an erased record was decided: pages of a list continue at it."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute("ALTER TABLE erasures ADD COLUMN decided_at timestamptz")
