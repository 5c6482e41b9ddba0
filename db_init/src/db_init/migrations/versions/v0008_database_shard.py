"""Which of several databases this is, and what was loaded into it as one of them."""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0008_database_shard.sql").read_text(encoding="utf-8"))
