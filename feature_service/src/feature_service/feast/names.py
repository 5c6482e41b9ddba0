"""Names of the feature set in force in Feast's terms."""

from collections.abc import Sequence

from feature_service.definitions.served import ServedSet
from feature_service.errors import FeatureNotInView, FeatureServiceNotFound, FeatureViewNotFound

JOIN_KEY = "client_id"


def view_of(served: ServedSet) -> str:
    return f"{served.definitions.name}_features"


def push_source_of(served: ServedSet) -> str:
    return f"{served.definitions.name}_push"


def wanted_features(served: ServedSet, references: Sequence[str] | None, feature_service: str | None) -> list[str]:
    """The requested features, in the order of the request; a feature service takes precedence.

    Raises FeatureServiceNotFound, FeatureViewNotFound, or FeatureNotInView.
    """
    known = [feature.name for feature in served.features]
    if feature_service is not None:
        if feature_service != served.definitions.name:
            raise FeatureServiceNotFound
        return known
    wanted = []
    for reference in references or ():
        view, _, name = reference.partition(":")
        if view != view_of(served):
            raise FeatureViewNotFound
        wanted.append(name)
    if not wanted or not set(wanted) <= set(known) or len(set(wanted)) != len(wanted):
        raise FeatureNotInView
    return wanted
