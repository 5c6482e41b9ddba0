"""What one writes to put Feast and MLServer together: an application that asks one, then the other."""

import os
from typing import Any

import aiohttp
import orjson

NAMES = ["nb_previous_loans", "avg_amount_loans_previous", "age", "years_on_the_job", "flag_own_car"]
_FEATURES = [f"client_features:{name}" for name in NAMES]
_session: aiohttp.ClientSession | None = None


async def _predict(client_id: int) -> dict[str, Any]:
    global _session  # noqa: PLW0603
    _session = _session or aiohttp.ClientSession(headers={"Content-Type": "application/json"})
    question = orjson.dumps({"features": _FEATURES, "entities": {"client_id": [client_id]}})
    async with _session.post(os.environ["FEAST_URL"] + "/get-online-features", data=question) as answer:
        found = orjson.loads(await answer.read())
    values = {
        name: column["values"][0]
        for name, column in zip(found["metadata"]["feature_names"], found["results"], strict=True)
    }
    row = [values[name] or 0 for name in NAMES]  # JSON knows no NaN
    tensor = {"name": "x", "shape": [1, len(NAMES)], "datatype": "FP64", "data": row}
    question = orjson.dumps({"inputs": [tensor], "outputs": [{"name": "predict_proba"}]})
    async with _session.post(os.environ["MLSERVER_URL"] + "/v2/models/batching/infer", data=question) as answer:
        probability = orjson.loads(await answer.read())["outputs"][0]["data"][1]
    return {"client_id": client_id, "probability": probability, "input_variables": values}


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http":
        return
    body = b"{}" if scope["path"] == "/" else orjson.dumps(await _predict(int(scope["path"].rpartition("=")[2])))
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
