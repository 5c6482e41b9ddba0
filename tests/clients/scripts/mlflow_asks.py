"""MLflow's scoring client, unmodified: BASE."""

import sys
from urllib.parse import urlsplit

import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

where = urlsplit(sys.argv[1])
client = ScoringServerClient(where.hostname, where.port)
client.ping()
print("version", client.get_version())
frame = pd.DataFrame({"age": [43, None], "nb_previous_loans": [3, 0], "flag_own_car": [True, False]})
answer = client.invoke(frame)
print("invoke", answer.get_predictions().to_dict("records"))
assert len(answer.get_predictions()) == 2
try:
    client.invoke(pd.DataFrame({"nope": [1]}))
except Exception as error:  # noqa: BLE001 -- the client raises no other
    print("unknown column ->", error)
    assert '"error_code":"BAD_REQUEST"' in str(error)
else:
    raise AssertionError("an unknown column was taken")
