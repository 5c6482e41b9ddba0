"""A database whose schema is that of an earlier revision."""

from pathlib import Path

import alembic.command
import alembic.config
import psycopg
from pydantic import SecretStr
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

import db_init.migrate
from db_init.database import connect
from db_init.settings import Settings
from local_stack.postgres import Server


def at_revision(server: Server, database: str, revision: str) -> Settings:
    """The settings of a new database of that name, as the releases with that revision left it."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database}")
        connection.execute(f"CREATE DATABASE {database}")
    settings = Settings(database_url=SecretStr(server.url(database)))
    engine = create_engine("postgresql+psycopg://", creator=lambda: connect(settings), poolclass=NullPool)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(Path(db_init.migrate.__file__).parent / "migrations"))
    with engine.connect() as borrowed:
        config.attributes["connection"] = borrowed
        alembic.command.upgrade(config, revision)
        borrowed.commit()
    return settings
