"""The problem types of the prediction service, in addition to those of every service."""

from service_kit.problems import ProblemError


class FeatureServiceUnavailable(ProblemError):
    type = "/problems/feature-service-unavailable"
    title = "The feature service is unavailable"
    status = 503
    retry_after = 1


class FeatureServiceRefusedUs(ProblemError):
    """The API key of this service is missing, unknown, expired, or lacks the scope `features:read`."""

    type = "/problems/feature-service-refused-us"
    title = "The feature service refuses the API key of the prediction service"
    status = 503
    retry_after = 5


class FeatureServiceTimeout(ProblemError):
    type = "/problems/feature-service-timeout"
    title = "The feature service did not answer in time"
    status = 504


class FeatureServiceBroken(ProblemError):
    type = "/problems/feature-service-broken"
    title = "The feature service gave an invalid answer"
    status = 502


class ModelUnavailable(ProblemError):
    type = "/problems/model-unavailable"
    title = "No model is available"
    status = 503
    retry_after = 2


class ModelNotFound(ProblemError):
    type = "/problems/model-not-found"
    title = "Model version not found"
    status = 404


class PolicyUnavailable(ProblemError):
    type = "/problems/policy-unavailable"
    title = "No policy is available to decide with"
    status = 503
    retry_after = 2


class DecisionLogUnavailable(ProblemError):
    """The caller gets no decision. The record of the lost answer may have been kept."""

    type = "/problems/decision-log-unavailable"
    title = "The decision log is unavailable"
    status = 503
    retry_after = 1


class DecisionLogOff(ProblemError):
    type = "/problems/decision-log-off"
    title = "This installation records no decisions"
    status = 404


class DecisionNotFound(ProblemError):
    type = "/problems/decision-not-found"
    title = "Decision not found"
    status = 404


class DecisionErased(ProblemError):
    type = "/problems/decision-erased"
    title = "The decision has been erased"
    status = 410


class Retention(ProblemError):
    type = "/problems/retention"
    title = "Decisions of this client must still be kept"
    status = 409


class ModelGone(ProblemError):
    type = "/problems/model-gone"
    title = "The model version or the policy is not there any more"
    status = 409


class FeatureSetMismatch(ProblemError):
    """The detail of the problem names the features."""

    type = "/problems/feature-set-mismatch"
    title = "The features that are served are not those of the model"
    status = 503
    retry_after = 1

    def __init__(self, names: str) -> None:
        super().__init__(
            f"Not served in the model's version and type: {names}. Apply a set with them, or promote another model."
        )


class NotADecision(ProblemError):
    """The record is a review or an erasure."""

    type = "/problems/not-a-decision"
    title = "The record is not that of a decision"
    status = 409


class ErasureOff(ProblemError):
    type = "/problems/erasure-off"
    title = "This service is not set up to erase decisions"
    status = 403


class NotSequencedYet(ProblemError):
    type = "/problems/not-sequenced-yet"
    title = "No checkpoint of the log covers this record yet"
    status = 503
    retry_after = 1


class AlarmNotFound(ProblemError):
    type = "/problems/alarm-not-found"
    title = "Alarm not found"
    status = 404


class AlarmNotOpen(ProblemError):
    """The alarm was acknowledged or superseded before."""

    type = "/problems/alarm-not-open"
    title = "The alarm is not open any more"
    status = 409


class AlarmNotAdoptable(ProblemError):
    """The detail of the problem says why."""

    type = "/problems/alarm-not-adoptable"
    title = "The window of the alarm cannot become the reference"
    status = 409


class CommandError(Exception):
    """A command failed. The message is for the person who ran it."""
