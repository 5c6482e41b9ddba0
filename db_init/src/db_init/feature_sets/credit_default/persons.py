"""Which client ids of the demo are one person's.

No key of a person is kept, but the ids of one follow one another. A person is a run of neighbouring ids (at most 5 apart)
with equal age, tenure and car in the last row of each, as training takes it; or with equal birthday, start of the job and
car, which tell what the ages of two dates cannot.
"""

from shared_schemas.feature_sets import Feature, FeatureSet

SET = "credit_default"

_NEIGHBOURS = 5
_PERSONS = """
    CREATE TABLE persons AS
    WITH last_rows AS (SELECT DISTINCT ON (client_id) client_id, {age} AS age, {tenure} AS tenure, {car} AS car,
                              {birthday} AS birthday, {job_start} AS job_start
                         FROM rows ORDER BY client_id, event_timestamp DESC, event_id DESC NULLS FIRST),
         beside AS (SELECT client_id, lag(last_rows) OVER (ORDER BY client_id) AS one, last_rows AS other FROM last_rows),
         joined AS (SELECT client_id, client_id - one.client_id <= {neighbours}
                           AND one.car IS NOT DISTINCT FROM other.car
                           AND (one.birthday = other.birthday AND one.job_start IS NOT DISTINCT FROM other.job_start
                                OR one.age IS NOT DISTINCT FROM other.age AND one.tenure IS NOT DISTINCT FROM other.tenure) AS same
                      FROM beside)
    SELECT client_id, max(CASE WHEN same THEN NULL ELSE client_id END) OVER (ORDER BY client_id) AS person FROM joined
"""


def sql(feature_set: FeatureSet) -> str:
    """Table `persons` (client_id, person) from `rows`, whose columns have the number of their feature."""
    place = {name: number for number, name in enumerate(feature_set.names)}
    age, tenure, car = (place[name] for name in ("age", "years_on_the_job", "flag_own_car"))
    values = [_checked(feature_set.features[number], f"f{number}") for number in (age, tenure, car)]
    return _PERSONS.format(
        age=values[0], tenure=values[1], car=values[2], birthday=f"since{age}", job_start=f"since{tenure}",
        neighbours=_NEIGHBOURS,
    )  # fmt: skip


def _checked(feature: Feature, column: str) -> str:
    """The value, or null where training takes it for missing, since it is out of its range."""
    if feature.type == "flag":
        return f"CASE WHEN {column} IN (0, 1) THEN {column} END"
    bounds = {
        ">=": feature.minimum,
        ">": feature.exclusive_minimum,
        "<=": feature.maximum,
        "<": feature.exclusive_maximum,
    }
    inside = [f"{column} {sign} {bound}" for sign, bound in bounds.items() if bound is not None]
    return f"CASE WHEN {' AND '.join(inside)} THEN {column} END" if inside else column
