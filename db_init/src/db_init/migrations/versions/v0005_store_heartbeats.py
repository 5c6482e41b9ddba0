"""Heartbeats of the services, by which the lag of a replica is measured."""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    op.execute((_SQL / "0005_store_heartbeats.sql").read_text(encoding="utf-8"))
