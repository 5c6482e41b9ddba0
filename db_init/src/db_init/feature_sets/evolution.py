"""Rules for changes between two documents of a feature set. Pure functions, without files or database."""

from collections.abc import Iterator, Mapping

from shared_schemas.feature_sets import Feature, FeatureSet

Declared = Mapping[tuple[str, int], Feature]

_RAISE = "raise its version, or leave it as it was"


def refusals(earlier: Declared, new: FeatureSet) -> Iterator[str]:
    """Yield one line for each change that would contradict stored values.

    `earlier`: every feature that was ever declared. Texts, ranges and reasons may change at any time.
    """
    newest: dict[str, int] = {}
    for name, version in earlier:
        newest[name] = max(version, newest.get(name, 0))
    for feature in new.features:
        if feature.version < newest.get(feature.name, 0):
            yield f"{feature.name}: version {newest[feature.name]} was applied before; a version never falls"
        elif known := earlier.get((feature.name, feature.version)):
            yield from (f"{feature.name}: {change}; {_RAISE}" for change in _changes(known, feature))


def _changes(known: Feature, feature: Feature) -> Iterator[str]:
    if feature.type != known.type:
        yield f"its type changes from {known.type} to {feature.type} under the same version"
        return
    if feature.unit != known.unit:
        yield f"its unit changes from {known.unit!r} to {feature.unit!r} under the same version"
    if feature.completed_years_since != known.completed_years_since:
        yield "completed_years_since changes under the same version"
    if removed := [one for one in known.categories or () if one not in set(feature.categories or ())]:
        more = f" and {len(removed) - 1:,} more" if len(removed) > 1 else ""
        yield f"the category {removed[0]!r}{more} is removed under the same version"


def retained(current: FeatureSet, before: tuple[Feature, ...], new: FeatureSet) -> tuple[Feature, ...]:
    """The older versions that stay served: those served so far, and those that the new set replaces."""
    replaced = tuple(
        feature
        for feature in current.features
        if feature.name in new.by_name and new.by_name[feature.name].version > feature.version
    )
    return tuple(feature for feature in (*before, *replaced) if feature.name in new.by_name)
