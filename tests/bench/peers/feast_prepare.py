"""Run by Feast's own Python in its repository folder: the clients into Parquet, then into Feast's online store."""

import sys
from datetime import UTC, datetime

import pandas as pd
import psycopg
from feast import FeatureStore

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
