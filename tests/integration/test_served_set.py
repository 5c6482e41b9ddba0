"""A feature set that changes in the database is served soon after, without a failed request."""

import asyncio
import time

import httpx
import psycopg

from db_init.feature_sets.reading import read_feature_set
from db_init.feature_sets.stored import SHIPPED
from local_stack.postgres import Server
from shared_schemas import Feature, FeatureSet
from writing import address, put, service

JANUARY = "2020-01-01T00:00:00Z"
PURPOSE = Feature(
    name="purpose", type="category", categories=("car", "null", 'a, "b"\n'), description="What the credit is for."
)


def apply(server: Server, database: str, document: str, digest: str, retained: str = "[]") -> None:
    with psycopg.connect(server.url(database)) as connection:
        connection.execute("UPDATE feature_sets SET current = false WHERE current")
        connection.execute(
            "INSERT INTO feature_sets (name, digest, document, retained) VALUES ('credit_default', %s, %s, %s)",
            [digest, document, retained],
        )


def widened() -> FeatureSet:
    shipped = read_feature_set(SHIPPED / "credit_default" / "feature_set.toml")
    return shipped.model_copy(update={"features": (*shipped.features, PURPOSE)})


async def served_digest(client: httpx.AsyncClient, digest: str) -> None:
    """Read until this digest is served; every request on the way is answered."""
    until = time.monotonic() + 2
    while (answer := await client.get(address())).headers["feature-set"] != f"credit_default; digest={digest}":
        assert answer.status_code == 200
        assert time.monotonic() < until
        await asyncio.sleep(0.02)


def test_a_new_feature_is_served_written_and_documented_without_a_failed_request(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40)
            refused = await client.put(address(), json={"event_timestamp": JANUARY, "purpose": "car"})
            assert refused.status_code == 422
            before = (await client.get("/openapi.json")).json()["components"]["schemas"]
            assert "purpose" not in before["FeatureVector"]["properties"]
            after = widened()
            apply(server, database, after.canonical(), after.digest)
            await served_digest(client, after.digest)
            assert (await client.get(address())).json()["purpose"] is None
            for category in PURPOSE.categories or ():
                await put(client, JANUARY, purpose=category)
                assert (await client.get(address())).json()["purpose"] == category
            unknown = await client.put(address(), json={"event_timestamp": JANUARY, "purpose": "boat-918273645"})
            assert unknown.json()["errors"] == [
                {"pointer": "#/purpose", "detail": "Input should be one of the categories of this feature"}
            ]
            schemas = (await client.get("/openapi.json")).json()["components"]["schemas"]
            for name in ("FeatureVector", "FeatureWrite"):
                described = schemas[name]["properties"]["purpose"]
                assert described["anyOf"][0]["enum"] == list(PURPOSE.categories or ())
                assert described["description"] == PURPOSE.description
            assert (await client.get("/feature_definitions")).headers["etag"] == f'"{after.digest}"'

    asyncio.run(scenario())


def test_the_set_of_a_newer_release_is_served_and_one_that_is_none_is_not(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40)
            newer = widened().canonical().replace('{"name":"purpose"', '{"colour":"red","name":"purpose"', 1)
            assert "colour" in newer
            apply(server, database, newer, "a" * 64)
            await served_digest(client, "a" * 64)
            apply(server, database, '{"name": "credit_default", "feature": []}', "b" * 64)
            await asyncio.sleep(1.2)
            await served_digest(client, "a" * 64)

    asyncio.run(scenario())


def test_pages_hold_every_client_once_in_the_order_of_the_ids(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            ids = [3, 1, 2**63 - 1, 7, 5]
            for client_id in ids:
                await put(client, JANUARY, client_id, age=40)
            found, after = [], 0
            while after is not None:
                page = (await client.get("/online_feature_store", params={"after": after, "limit": 2})).json()
                found += [vector["client_id"] for vector in page["features"]]
                after = page["next_after"]
            assert found == sorted(ids)
            assert len((await client.get("/online_feature_store")).json()["features"]) == 5
            for query in ("after=-1", "after=9223372036854775808", "limit=0", "limit=1001", "limit=x"):
                answer = await client.get(f"/online_feature_store?{query}")
                assert (answer.status_code, answer.json()["type"]) == (422, "/problems/invalid-request")

    asyncio.run(scenario())


def test_a_batch_of_named_features_holds_them_alone(server: Server, database: str) -> None:
    async def scenario() -> None:
        async with service(server, database) as client:
            await put(client, JANUARY, age=40, flag_own_car=1)
            wanted = {"client_ids": [5], "features": ["flag_own_car@1", "age"], "key_of_a_newer_peer": 1}
            answer = await client.post("/online_feature_store/batch", json=wanted)
            assert answer.json()["features"] == [
                {"client_id": 5, "flag_own_car": 1, "age": 40, "event_timestamp": JANUARY}
            ]
            refused = await client.post(
                "/online_feature_store/batch", json={"client_ids": [5], "features": ["age", "age@2", "x"]}
            )
            assert [error["pointer"] for error in refused.json()["errors"]] == ["#/features/1", "#/features/2"]

    asyncio.run(scenario())
