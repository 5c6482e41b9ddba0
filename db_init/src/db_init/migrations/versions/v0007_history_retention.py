"""The instant before which the history is not kept, and writes that keep to it."""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0007_history_retention.sql").read_text(encoding="utf-8"))
