"""Folds of training rows. All rows of a person are in one fold.

A person is a group if the set declares groups, otherwise a client. The shipped set has its own rule for persons. The
fold is a digest of seed and person, so it does not change when rows are added, and does not depend on their order.
"""

from db_init.engines.duckdb import DuckDB
from db_init.errors import LoadError
from db_init.feature_sets.credit_default import persons
from shared_schemas.feature_sets import FeatureSet

_GROUPS = """
    CREATE TABLE persons AS
    SELECT client_id, min('g' || in_group) AS person FROM rows GROUP BY client_id
"""
_CLIENTS = "CREATE TABLE persons AS SELECT DISTINCT client_id, client_id::VARCHAR AS person FROM rows"

_FOLDS = """
    CREATE TABLE folded AS
    SELECT rows.*, (('0x' || left(md5('{seed}:' || coalesce(person::VARCHAR, 'c' || client_id)), 15))::BIGINT % {folds})::SMALLINT
           AS fold
      FROM rows JOIN persons USING (client_id)
"""


def add_folds(engine: DuckDB, feature_set: FeatureSet, folds: int, seed: int) -> None:
    """Make table `folded`: `rows` and a column `fold`, 0 to folds - 1. Raises LoadError if there are fewer persons."""
    if feature_set.entity.group is not None:
        engine.run(_GROUPS)
    elif feature_set.name == persons.SET:
        engine.run(persons.sql(feature_set))
    else:
        engine.run(_CLIENTS)
    [[count]] = engine.run("SELECT count(DISTINCT coalesce(person::VARCHAR, 'c' || client_id)) FROM persons")
    if count < folds:
        raise LoadError(f"The rows are of {count:,} persons: too few for {folds:,} folds.")
    engine.run(_FOLDS.format(folds=folds, seed=seed))
