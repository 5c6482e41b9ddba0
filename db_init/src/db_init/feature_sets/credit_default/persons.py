"""Grouping of the client ids of `credit_default` by person.

The data has no key of a person, but the ids of one person are neighbours. A person is a sequence of ids, each at most 5
after the one before, whose last rows have equal age, tenure and car, as training reads them, or equal birthday, start
of the job and car. The dates are compared because the ages of one person at two dates can differ.
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
    """SQL that makes table `persons` (client_id, person) from `rows`, whose columns are numbered like the features."""
    place = {name: number for number, name in enumerate(feature_set.names)}
    age, tenure, car = (place[name] for name in ("age", "years_on_the_job", "flag_own_car"))
    values = [_checked(feature_set.features[number], f"f{number}") for number in (age, tenure, car)]
    return _PERSONS.format(
        age=values[0], tenure=values[1], car=values[2], birthday=f"since{age}", job_start=f"since{tenure}",
        neighbours=_NEIGHBOURS,
    )  # fmt: skip


def _checked(feature: Feature, column: str) -> str:
    """SQL of the value, or null if it is out of its range, because training treats it as missing."""
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
