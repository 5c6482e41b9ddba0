"""What Feast needs to know: the same five features of the same clients, from a Parquet file into PostgreSQL."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64

client = Entity(name="client", join_keys=["client_id"], value_type=ValueType.INT64)
source = FileSource(path="features.parquet", timestamp_field="event_timestamp")
client_features = FeatureView(
    name="client_features",
    entities=[client],
    ttl=timedelta(days=0),
    source=source,
    schema=[
        Field(name="nb_previous_loans", dtype=Int64),
        Field(name="avg_amount_loans_previous", dtype=Float64),
        Field(name="age", dtype=Int64),
        Field(name="years_on_the_job", dtype=Int64),
        Field(name="flag_own_car", dtype=Int64),
    ],
)
# Its fastest mode: the whole vector of a client is kept ready.
precomputed = FeatureService(name="precomputed", features=[client_features], precompute_online=True)
