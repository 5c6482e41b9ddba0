"""Changes of the online store are marked, while they are published to another store."""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0004_online_changes.sql").read_text(encoding="utf-8"))
