"""The failures that the prediction service can answer with, beyond those of every service."""

from service_kit.problems import ProblemError


class FeatureServiceUnavailable(ProblemError):
    type = "/problems/feature-service-unavailable"
    title = "The feature service cannot be reached at the moment"
    status = 503
    retry_after = 1


class FeatureServiceTimeout(ProblemError):
    type = "/problems/feature-service-timeout"
    title = "The feature service did not answer in time"
    status = 504


class FeatureServiceBroken(ProblemError):
    type = "/problems/feature-service-broken"
    title = "The feature service gave an answer that makes no sense"
    status = 502


class StoreUnavailable(ProblemError):
    type = "/problems/store-unavailable"
    title = "The feature store cannot be asked at the moment"
    status = 503
    retry_after = 1


class ModelUnavailable(ProblemError):
    type = "/problems/model-unavailable"
    title = "There is no model to decide with at the moment"
    status = 503
    retry_after = 2


class ModelNotFound(ProblemError):
    type = "/problems/model-not-found"
    title = "There is no such model version"
    status = 404
