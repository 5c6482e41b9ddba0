"""Which scope each route of the feature service needs."""

from service_kit.access import POST, READ, WRITE, Rule

RULES = (
    Rule("/online_feature_store/batch", POST, "features:read"),
    Rule("/online_feature_store/", READ, "features:read"),
    Rule("/online_feature_store/", WRITE, "features:write"),
    Rule("/feature_definitions", READ, "features:read"),
)
