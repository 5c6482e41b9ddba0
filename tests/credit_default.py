"""The feature set that is shipped, for tests that need one."""

import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from shared_schemas import FeatureSet

FILE = Path(__file__).parents[1] / "db_init/src/db_init/feature_sets/credit_default/feature_set.toml"
SET = FeatureSet.model_validate(tomllib.loads(FILE.read_text(encoding="utf-8")))
NAMES = SET.names
ROW: dict[str, Any] = {
    "client_id": 5, "nb_previous_loans": 7, "avg_amount_loans_previous": 128.90637116931464, "age": 33,
    "years_on_the_job": None, "flag_own_car": 1, "event_timestamp": datetime(2020, 4, 11, tzinfo=UTC),
}  # fmt: skip
"""A vector, flat: values of every kind, one missing, a float of 17 digits."""


def beside_another_pipeline(folder: Path) -> Path:
    """The file of the same set in a folder whose pipeline computes from the loans of the last 90 days."""
    text = (FILE.parent / "pipeline.py").read_text(encoding="utf-8")
    changed = text.replace("preceding=(None, 1)", "preceding=(90, 1)")
    assert changed != text
    (folder / "pipeline.py").write_text(changed, encoding="utf-8")
    (folder / FILE.name).write_bytes(FILE.read_bytes())
    return folder / FILE.name
