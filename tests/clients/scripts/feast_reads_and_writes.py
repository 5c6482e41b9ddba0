"""Feast's SDK, unmodified: read, push, write. Run in a feature repository: BASE CLIENT_ID MISSING_ID."""

import sys
from datetime import UTC, datetime, timedelta

import pandas as pd
from feast import FeatureStore
from feast.errors import FeatureViewNotFoundException
from feast.infra.online_stores.remote import get_remote_online_features, post_remote_online_write

CLIENT, MISSING = int(sys.argv[2]), int(sys.argv[3])
VIEW = "credit_default_features"
NAMES = ["flag_own_car", "age", "avg_amount_loans_previous", "nb_previous_loans", "years_on_the_job"]
store = FeatureStore(".")


def read(*ids: int) -> dict:
    rows = [{"client_id": one} for one in ids]
    return store.get_online_features(features=[f"{VIEW}:{name}" for name in NAMES], entity_rows=rows)


def frame(at: datetime, **values: object) -> pd.DataFrame:
    return pd.DataFrame([{"client_id": CLIENT, "event_timestamp": at, "created": at, **values}])


answer = read(CLIENT, MISSING, CLIENT)
print("get_online_features", answer.to_dict())
known = answer.to_dict()
assert known["client_id"] == [CLIENT, MISSING, CLIENT]
for name in NAMES:
    first, missing, again = known[name]
    assert missing is None, name
    assert first == again, name
assert isinstance(known["age"][0], int)
assert isinstance(known["avg_amount_loans_previous"][0], float)

service = store.get_feature_service("credit_default")
by_service = store.get_online_features(service, [{"client_id": CLIENT}], full_feature_names=True).to_dict()
print("feature service", by_service)
assert by_service[f"{VIEW}__age"] == [known["age"][0]]

now = datetime.now(UTC).replace(microsecond=0)
written = {
    "nb_previous_loans": 3,
    "avg_amount_loans_previous": 250.5,
    "age": 41,
    "years_on_the_job": 2,
    "flag_own_car": 1,
}
store.push("credit_default_push", frame(now, **written))
pushed = read(CLIENT).to_dict()
print("after push", pushed)
assert {name: values[0] for name, values in pushed.items() if name != "client_id"} == written

store.push("credit_default_push", frame(now - timedelta(hours=1), **(written | {"age": 99})))
assert read(CLIENT).to_dict() == pushed, "an older event must not take the place of a newer one"
print("a stale push changed nothing")

nulled = frame(now + timedelta(seconds=1), **(written | {"years_on_the_job": None}))
nulled["years_on_the_job"] = nulled["years_on_the_job"].astype("Int64")
store.write_to_online_store(VIEW, nulled)
unknown = read(CLIENT).to_dict()
print("after a null", unknown)
assert unknown["years_on_the_job"] == [None]
assert unknown["age"] == [41]

partial = {"client_id": [CLIENT], "age": [42], "event_timestamp": [(now + timedelta(seconds=2)).isoformat()]}
answer = post_remote_online_write(store.config, req_body={"feature_view_name": VIEW, "df": partial})
assert answer.status_code == 200, answer.text
kept = read(CLIENT).to_dict()
print("after a partial write", kept)
assert (kept["age"], kept["flag_own_car"]) == ([42], [1])

try:
    get_remote_online_features(store.config, req_body={"features": ["nope:age"], "entities": {"client_id": [CLIENT]}})
except FeatureViewNotFoundException as error:
    print("unknown view:", repr(error))
else:
    raise AssertionError("an unknown view was found")
