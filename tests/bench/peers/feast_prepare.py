"""Run by Feast's own Python in its repository folder: the clients into Parquet, then into Feast's online store."""

import sys
from datetime import UTC, datetime

import pandas as pd
import psycopg
from feast import FeatureStore, FeatureView, Field
from feast.protos.feast.core.PrecomputedFeatureVector_pb2 import PrecomputedFeatureVector
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Bytes

with psycopg.connect(sys.argv[1]) as connection:
    rows = connection.execute(
        "SELECT client_id, nb_previous_loans, avg_amount_loans_previous, age, years_on_the_job, flag_own_car, "
        "event_timestamp FROM credit_default_features"
    )
    names = [column.name for column in rows.description]
    frame = pd.DataFrame(rows.fetchall(), columns=names)
whole = ["nb_previous_loans", "age", "years_on_the_job", "flag_own_car"]
frame[whole] = frame[whole].astype("Int64")
frame.to_parquet("features.parquet")
store = FeatureStore(".")
from feast_features import client, client_features, precomputed  # noqa: E402

store.apply([client, client_features, precomputed])
store.materialize(datetime(2000, 1, 1, tzinfo=UTC), datetime.now(UTC))

# Feast fills the vectors of `precompute_online` in Redis only (0.67), but reads them from any store: write them as it would.
config, online = store.config, store._get_provider().online_store
table = FeatureView(name=f"__precomputed__{precomputed.name}", schema=[Field(name="vector", dtype=Bytes)], source=None)
online.update(config, [], [table], [], [], partial=True)
[projection] = precomputed.feature_view_projections
wanted = [one.name for one in projection.features]
now = datetime.now(UTC)
for start in range(0, len(frame), 1_000):
    ids = frame["client_id"][start : start + 1_000]
    keys = [EntityKey(join_keys=["client_id"], entity_values=[Value(int64_val=int(number))]) for number in ids]
    vectors = [
        PrecomputedFeatureVector(
            feature_names=[f"{projection.name_to_use()}__{name}" for name in wanted],
            values=[found.get(name, Value()) for name in wanted],
        )
        for _, found in online.online_read(config, client_features, keys, wanted)
    ]
    rows = [
        (key, {"vector": Value(bytes_val=vector.SerializeToString())}, now, None)
        for key, vector in zip(keys, vectors, strict=True)
    ]
    online.online_write_batch(config, table, rows, None)
