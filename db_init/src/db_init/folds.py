"""Folds of training rows in which no person stands on two sides.

No key of a person is kept, but the ids of one follow one another. A person is a run of neighbouring ids (at most 5 apart)
with equal age, tenure and car in the last row of each, as training takes it; or with equal birthday, start of the job and
car, which tell what the ages of two dates cannot. The fold is a digest of the seed and the person's first id: it stays
when rows are added, and does not depend on their order.
"""

from db_init.duckdb_engine import DuckDB
from db_init.errors import LoadError
from shared_schemas import FEATURES, FeatureDefinition

_NEIGHBOURS = 5

_PERSONS = """
    CREATE TABLE persons AS
    WITH last_rows AS (SELECT DISTINCT ON (client_id) client_id, {age} AS age, {years_on_the_job} AS years_on_the_job,
                              {flag_own_car} AS flag_own_car, birthday, job_start_date
                         FROM rows ORDER BY client_id, event_timestamp DESC, loan_id DESC NULLS FIRST),
         beside AS (SELECT client_id, lag(last_rows) OVER (ORDER BY client_id) AS one, last_rows AS other FROM last_rows),
         joined AS (SELECT client_id, client_id - one.client_id <= {neighbours}
                           AND one.flag_own_car IS NOT DISTINCT FROM other.flag_own_car
                           AND (one.birthday = other.birthday AND one.job_start_date IS NOT DISTINCT FROM other.job_start_date
                                OR one.age IS NOT DISTINCT FROM other.age
                                   AND one.years_on_the_job IS NOT DISTINCT FROM other.years_on_the_job) AS same
                      FROM beside)
    SELECT client_id, max(CASE WHEN same THEN NULL ELSE client_id END) OVER (ORDER BY client_id) AS person FROM joined
"""

_FOLDS = """
    CREATE TABLE folded AS
    SELECT rows.*, (('0x' || left(md5('{seed}:' || person), 15))::BIGINT % {folds})::SMALLINT AS fold
      FROM rows JOIN persons USING (client_id) ORDER BY client_id, event_timestamp, loan_id NULLS LAST
"""


def add_folds(engine: DuckDB, folds: int, seed: int) -> str:
    """The name of a table of `rows` (with birthday and job_start_date) and `fold`, from 0 on."""
    values = {definition.name: _checked(definition) for definition in FEATURES}
    engine.run(_PERSONS.format(neighbours=_NEIGHBOURS, **values))
    [[persons]] = engine.run("SELECT count(DISTINCT person) FROM persons")
    if persons < folds:
        raise LoadError(f"The rows are of {persons:,} persons: too few for {folds:,} folds.")
    engine.run(_FOLDS.format(folds=folds, seed=seed))
    return "folded"


def _checked(definition: FeatureDefinition) -> str:
    """The value, or null where training takes it for missing, since it is out of its range."""
    bounds = {">=": definition.minimum, ">": definition.exclusive_minimum, "<=": definition.maximum}
    inside = [f"{definition.name} {sign} {bound}" for sign, bound in bounds.items() if bound is not None]
    return f"CASE WHEN {' AND '.join(inside)} THEN {definition.name} END" if inside else definition.name
