"""The clients of one database, divided among two on two servers."""

import psycopg

from bench import servers
from local_stack.postgres import Server

_SHARE = "SELECT client_id, event_timestamp, v FROM online_features WHERE shard_of(client_id, 2) = {0}"


def divided(url: str, *postgres: Server) -> list[str]:
    """The owner's URLs of the two, which were made for the test."""
    for server in postgres:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS half")
            connection.execute("CREATE DATABASE half")
    halves = [server.url("half") for server in postgres]
    servers.run_module("db_init", "migrate", DB_INIT_DATABASE_URL=" ".join(halves))
    for number, half in enumerate(halves, start=1):
        with psycopg.connect(url) as whole, psycopg.connect(half, autocommit=True) as target:
            copy = target.cursor().copy("COPY online_features (client_id, event_timestamp, v) FROM STDIN")
            with whole.cursor().copy(f"COPY ({_SHARE.format(number)}) TO STDOUT") as rows, copy as filled:
                for chunk in rows:
                    filled.write(chunk)
            target.execute("VACUUM ANALYZE online_features")
    return halves


def as_reader(url: str) -> str:
    return url.replace("//postgres@", "//feature_service@")
