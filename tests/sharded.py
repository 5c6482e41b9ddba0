"""Two databases that share the clients: of one server, or each of a server of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
from pydantic import SecretStr

from db_init.migrate import migrate
from db_init.settings import Settings
from db_init.shards import shards
from feature_service.settings import Settings as ServiceSettings
from folders import database_folder
from local_stack import postgres
from local_stack.postgres import Server
from replicated import Node
from shared_schemas.shards import shard_of

FIRST = [client_id for client_id in range(1, 30) if shard_of(client_id, 2) == 1]
SECOND = [client_id for client_id in range(1, 30) if shard_of(client_id, 2) == 2]
"""Clients of either."""


class Sharded(NamedTuple):
    """The URLs of the owner, of the role that reads, and of the role that writes, each of the first and the second."""

    owner: tuple[str, str]
    reader: tuple[str, str]
    writer: tuple[str, str]

    @property
    def settings(self) -> Settings:
        return Settings(database_url=SecretStr(" ".join(self.owner)))

    def service(self, **options: Any) -> ServiceSettings:
        given = {"database_url": " ".join(self.reader), "writer_database_url": "\n".join(self.writer)}
        return ServiceSettings(**(given | options))

    def run(self, *statements: str) -> None:
        """In both."""
        for url in self.owner:
            with psycopg.connect(url, autocommit=True) as connection:
                for statement in statements:
                    connection.execute(statement)

    def rows(self, query: str) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Of each."""
        found = []
        for url in self.owner:
            with psycopg.connect(url) as connection:
                found.append(connection.execute(query).fetchall())
        return found[0], found[1]


@contextmanager
def fresh_database(server: Server, name: str) -> Iterator[str]:
    """With the schema in it, of which the server has a template."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template_features STRATEGY FILE_COPY")  # in half the time
    yield name
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def of_one_server(server: Server, names: tuple[str, str]) -> Sharded:
    """Databases that are there already, with the schema in them."""
    one, other = names
    sharded = Sharded(*((server.url(one, role), server.url(other, role)) for role in _ROLES))
    _prepare(sharded.settings)
    return sharded


@contextmanager
def on_two_servers() -> Iterator[tuple[Sharded, Node, Node]]:
    with database_folder("two") as home:
        postgres._prepare_folder(home)
        first, second = nodes = Node(home, "first"), Node(home, "second")
        try:
            for node in nodes:
                postgres._initialise(home, node.folder)
                node.start()
            sharded = Sharded(*((first.url(user=role), second.url(user=role)) for role in _ROLES))
            _prepare(sharded.settings)
            yield sharded, first, second
        finally:
            for node in nodes:
                if node.runs():
                    node.stop()


_ROLES = ("postgres", "feature_service", "feature_writer")


def _prepare(settings: Settings) -> None:
    for shard in shards(settings):
        migrate(settings, shard)
