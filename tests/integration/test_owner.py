"""Migrations where the owner of the databases is no superuser, as on a managed PostgreSQL and under CloudNativePG."""

import psycopg
from psycopg import sql
from pydantic import SecretStr

from db_init.migrate import migrate as migrate_features
from db_init.settings import Settings as FeatureSettings
from decision_log.migrate import migrate as migrate_decisions
from decision_log.settings import Settings as DecisionSettings
from folders import database_folder
from local_stack.postgres import running_postgres

ROLES = [
    "decision_eraser",
    "decision_monitor",
    "decision_sequencer",
    "decision_writer",
    "feature_service",
    "feature_writer",
]


def test_an_owner_that_may_make_roles_needs_no_more() -> None:
    # A server of its own: roles belong to the whole server, and those of the others are the superuser's.
    with database_folder("owner") as folder, running_postgres(folder) as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE ROLE owner LOGIN CREATEROLE")
            for name in ("features", "decisions"):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER owner").format(sql.Identifier(name)))
        password = {"reader_password": "r", "writer_password": "w"}
        for _ in range(2):
            features = SecretStr(server.url("features", user="owner"))
            migrate_features(FeatureSettings.model_validate({"database_url": features} | password))
            decisions = SecretStr(server.url("decisions", user="owner"))
            migrate_decisions(DecisionSettings.model_validate({"database_url": decisions, "monitor_password": "m"}))
        with psycopg.connect(server.url("postgres")) as connection:
            query = "SELECT rolname FROM pg_roles WHERE rolcanlogin AND rolname ~ '^(feature|decision)_' ORDER BY 1"
            assert [name for (name,) in connection.execute(query)] == ROLES
        with psycopg.connect(server.url("features", user="feature_service")) as connection:
            assert connection.execute("SELECT count(*) FROM online_features").fetchone() == (0,)
