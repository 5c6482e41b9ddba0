"""A model version that is written down, not trained: of each type of feature one, for a set that is nobody's."""

import json
from datetime import UTC, datetime
from pathlib import Path

from prediction_service.scoring.scorecard import FeatureTable, Scorecard, category_edges
from prediction_service.versions.artefact import Manifest, record_files
from prediction_service.versions.folder import activate
from shared_schemas import FeatureSet

COLOURS = ("red", "green", "blau-grün")
FEATURE_SET = FeatureSet.model_validate(
    {
        "name": "hand_made",
        "feature": [
            {"name": "weight", "type": "number", "minimum": 0, "description": "Weight."},
            {"name": "count", "type": "integer", "minimum": 0, "maximum": 100, "description": "Count."},
            {"name": "flag", "type": "flag", "description": "Flag."},
            {"name": "colour", "type": "category", "categories": COLOURS, "description": "Colour."},
            {"name": "sex", "type": "flag", "basis": ["sex"], "description": "Stored, and no input."},
        ],
    }
)
SCORECARD = Scorecard(
    -2.5,
    [
        FeatureTable("weight", (10.5, 33.25), (0.31, -0.17, 0.77), 0.05, "missing_cell", 0, 0.1),
        FeatureTable("count", (3.0, 20.0), (-0.4, 0.1, 1.3), 0.2, "missing_cell", 0, 0.0),
        FeatureTable("flag", (0.0,), (0.07, -0.3), 0.0, "missing_cell", 0, 0.0),
        FeatureTable("colour", category_edges(COLOURS), (0.5, -0.25, 1.1), 0.3, "missing_cell", 0, 0.0, COLOURS),
    ],
)
THRESHOLD = 0.19


def write_version(model_dir: Path, version: str = "first") -> Path:
    """A registry whose champion is this version."""
    folder = model_dir / version
    folder.mkdir(parents=True)
    (folder / "tables.json").write_text(json.dumps(SCORECARD.as_json()))
    rows: list[tuple[float | None, ...]] = [(None, None, None, None), (12.0, 5, 1, 2.0)]
    probes = [{"values": row, "probability": SCORECARD.probability(row)} for row in rows]
    (folder / "probes.json").write_text(json.dumps(probes))
    manifest = Manifest(
        schema_version=2,
        version=version,
        kind="tables",
        estimator="written by hand",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        feature_set=FEATURE_SET.name,
        feature_set_sha256=FEATURE_SET.digest,
        features=FEATURE_SET.features,
        feature_names=tuple(table.name for table in SCORECARD.tables),
        left_out={"sex": "12 CFR 1002.6(b)"},
        threshold=THRESHOLD,
        threshold_policy="by hand",
        missing_rules={table.name: "missing_cell" for table in SCORECARD.tables},
        training={},
        metrics={},
        libraries={},
        files=record_files(folder),
    )
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))
    activate(model_dir, version)
    return model_dir
