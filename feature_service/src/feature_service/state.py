"""The state of the feature service: what it opens at start, for all handlers."""

from dataclasses import dataclass

from feature_service.settings import Settings
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineWrites


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    store: FeatureStore
    writer: OnlineWrites | None
