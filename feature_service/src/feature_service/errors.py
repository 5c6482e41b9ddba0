"""The failures that the feature service can answer with, beyond those of every service."""

from service_kit.problems import ProblemError


class StoreUnavailable(ProblemError):
    type = "/problems/store-unavailable"
    title = "The feature store cannot be asked at the moment"
    status = 503
    retry_after = 1
