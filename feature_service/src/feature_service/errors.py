"""The failures that the feature service can answer with, beyond those of every service."""

from service_kit.problems import ProblemError


class StoreUnavailable(ProblemError):
    type = "/problems/store-unavailable"
    title = "The feature store cannot be asked at the moment"
    status = 503
    retry_after = 1


class LoadRunning(ProblemError):
    type = "/problems/load-running"
    title = "A load is running, which could bring back what is erased now"
    status = 503
    retry_after = 10


class ReadOnly(ProblemError):
    type = "/problems/read-only"
    title = "This service does not take writes"
    status = 403
