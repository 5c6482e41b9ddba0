"""Which scope each route of the prediction service needs."""

from service_kit.access import POST, READ, Rule

RULES = (Rule("/credit_risk", READ | POST, "predict"), Rule("/models", READ, "predict"))
