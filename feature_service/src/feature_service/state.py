"""What the feature service opens when it starts, and every handler may use."""

from dataclasses import dataclass

from feature_service.settings import Settings
from feature_service.store.features import FeatureStore
from feature_service.store.online import OnlineWrites


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    store: FeatureStore
    writer: OnlineWrites | None
