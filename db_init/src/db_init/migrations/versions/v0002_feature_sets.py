"""Features are data: events and vectors as JSON by the keys of a feature set, and the one law of time as a function."""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"

_SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    for name in ("0002_tables", "0002_data", "0002_features_as_of", "0002_online"):
        op.execute((_SQL / f"{name}.sql").read_text(encoding="utf-8"))
