"""The view of the online store for people: one typed column per feature, completed years as of today."""

import psycopg
from psycopg import sql

from shared_schemas.feature_sets import Feature, FeatureSet

_KINDS = {"integer": "bigint", "number": "double precision", "flag": "smallint", "category": "text"}


def replace_view(connection: psycopg.Connection, feature_set: FeatureSet, before: str | None) -> None:
    """Create or replace the view NAME_features. Drops the view of the set named `before`."""
    for name in {before, feature_set.name} - {None}:
        connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(sql.Identifier(f"{name}_features")))
    columns = [sql.SQL("client_id"), *map(_column, feature_set.features), sql.SQL("event_timestamp")]
    connection.execute(
        sql.SQL("CREATE VIEW {} AS SELECT {} FROM online_features").format(
            sql.Identifier(f"{feature_set.name}_features"), sql.SQL(", ").join(columns)
        )
    )


def _column(feature: Feature) -> sql.Composed:
    value = sql.SQL("(v->>{key})::{kind}").format(key=sql.Literal(feature.key), kind=sql.SQL(_KINDS[feature.type]))
    if feature.completed_years_since is not None:
        value = sql.SQL(
            "CASE WHEN json_typeof(v->{key}) = 'object'"
            " THEN completed_years((v->{key}->>'since')::date, (now() AT TIME ZONE 'UTC')::date) ELSE {value} END"
        ).format(key=sql.Literal(feature.key), value=value)
    return sql.SQL("{} AS {}").format(value, sql.Identifier(feature.name))
