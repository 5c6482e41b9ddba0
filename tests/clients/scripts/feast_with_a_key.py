"""Feast's SDK with a key that may read, and no right to write. Run in a feature repository: BASE CLIENT_ID."""

import sys

import pandas as pd
from feast import FeatureStore
from feast.errors import FeastPermissionError

store = FeatureStore(".")
features, rows = ["credit_default_features:age"], [{"client_id": int(sys.argv[2])}]
print("with the key", store.get_online_features(features, rows).to_dict())
now = pd.Timestamp.now("UTC")
row = {
    "client_id": 1,
    "event_timestamp": now,
    "created": now,
    "nb_previous_loans": 1,
    "avg_amount_loans_previous": 1.5,
    "age": 30,
    "years_on_the_job": 1,
    "flag_own_car": 1,
}
try:
    store.push("credit_default_push", pd.DataFrame([row]))
except FeastPermissionError as error:
    print("a push without the scope:", repr(error))
else:
    raise AssertionError("a key without the scope could write")
store.config.auth_config.token = "wrong"
try:
    FeatureStore(config=store.config).get_online_features(features, rows)
except FeastPermissionError as error:
    print("a wrong key:", repr(error))
else:
    raise AssertionError("a wrong key was taken")
