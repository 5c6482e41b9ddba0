"""Run by MLServer's own Python in its folder: the same kind of model on the same rows, with and without adaptive batching."""

import json
import shutil
import sys
from pathlib import Path

import joblib
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

NAMES = ["nb_previous_loans", "avg_amount_loans_previous", "age", "years_on_the_job", "flag_own_car"]
rows = pd.read_parquet(sys.argv[1])
model = HistGradientBoostingClassifier(
    learning_rate=0.03, max_iter=150, max_depth=2, max_leaf_nodes=None, min_samples_leaf=300, l2_regularization=10.0,
    interaction_cst="no_interactions", monotonic_cst=[0, 0, -1, -1, -1], early_stopping=False, random_state=0,
)  # fmt: skip
model.fit(rows[NAMES].to_numpy(dtype=float), rows["status"])
for name, options in {"single": {}, "batching": {"max_batch_size": 32, "max_batch_time": 0.005}}.items():
    folder = Path("models", name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    joblib.dump(model, folder / "model.joblib")
    settings = {
        "name": name,
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings | options))
