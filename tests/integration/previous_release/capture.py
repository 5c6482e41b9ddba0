"""Captures data and answers of a running local stack of release 1.0 (commit 93961f3): BASE DATABASE_URL MODEL_DIR.

Run once, with that release's code on `SAMPLE_CLIENTS=1500`; what it wrote beside itself is what the test of the upgrade reads.
The clients are generated ones. Some have been written over HTTP, so that the history holds more than loans.
"""

import json
import shutil
import sys
from pathlib import Path

import httpx
import psycopg

HERE = Path(__file__).parent
BASE, DATABASE_URL, MODEL_DIR = sys.argv[1:]
CLIENTS = 30
INSTANTS = ("2019-07-01T00:00:00Z", "2020-05-20T00:00:00Z")


def answers(client: httpx.Client, ids: list[int]) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in ids:
        addresses = [
            f"/online_feature_store/client_id={one}{query}" for query in ("", *(f"?as_of={at}" for at in INSTANTS))
        ]
        for address in (*addresses, f"/credit_risk/client_id={one}?explain=true"):
            answer = client.get(address)
            found[address] = {"status": answer.status_code, "body": answer.json()}
    return found


def main() -> None:
    with (
        psycopg.connect(DATABASE_URL, autocommit=True) as connection,
        httpx.Client(base_url=BASE, timeout=10) as client,
    ):
        rows = connection.execute("SELECT client_id FROM online_features ORDER BY client_id").fetchall()
        ids = [row[0] for row in rows[:: len(rows) // CLIENTS]][:CLIENTS]
        for one in ids[:5]:
            written = {"event_timestamp": "2021-03-01T00:00:00Z", "age": 44, "years_on_the_job": None}
            client.put(f"/online_feature_store/client_id={one}", json=written).raise_for_status()
        for table in ("feature_history", "online_features"):
            with (HERE / f"{table}.csv").open("wb") as out, connection.cursor() as cursor:
                chosen = f"SELECT * FROM {table} WHERE client_id = ANY('{{{','.join(map(str, ids))}}}') ORDER BY client_id, event_timestamp"
                with cursor.copy(f"COPY ({chosen}) TO STDOUT (FORMAT csv, HEADER)") as copy:
                    for part in copy:
                        out.write(part)
        (HERE / "answers.json").write_text(json.dumps(answers(client, ids), indent=0))
        version = client.get("/models").json()["champion"]
    shutil.copytree(Path(MODEL_DIR) / version, HERE / "model", dirs_exist_ok=True)
    (HERE / "version.txt").write_text(version)


if __name__ == "__main__":
    main()
