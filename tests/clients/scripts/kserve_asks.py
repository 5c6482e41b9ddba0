"""KServe's inference client, unmodified: BASE."""

import asyncio
import sys

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

BASE = sys.argv[1]
MODEL = "credit_default"


async def main() -> None:
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    assert await client.is_server_live(BASE)
    assert await client.is_server_ready(BASE)
    assert await client.is_model_ready(BASE, MODEL)
    found = []
    for binary in (True, False):
        values = np.array([43.0, np.nan])
        one = InferInput("age", [2], "FP64")
        one.set_data_from_numpy(values, binary_data=binary)
        answer = await client.infer(BASE, InferRequest(MODEL, [one]), model_name=MODEL)
        print("binary" if binary else "JSON", answer.to_dict())
        found.append([float(value) for value in answer.outputs[0].data])
    assert found[0] == found[1]
    try:
        await client.infer(BASE, InferRequest("nope", [one]), model_name="nope")
    except Exception as error:  # noqa: BLE001 -- whichever it raises: its text is what the user reads
        print("unknown model ->", type(error).__name__, error)
    else:
        raise AssertionError("an unknown model was found")


asyncio.run(main())
