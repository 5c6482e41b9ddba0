"""A write of one client as a function: one round trip, by the law of time."""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0003_write_features.sql").read_text(encoding="utf-8"))
