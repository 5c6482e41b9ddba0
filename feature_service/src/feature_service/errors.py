"""The problems of the feature service, in addition to those of every service."""

from service_kit.problems import ProblemError


class LoadRunning(ProblemError):
    """An erasure is refused while a load runs, because the load could bring the client back."""

    type = "/problems/load-running"
    title = "A load is running"
    status = 503
    retry_after = 10


class ReadOnly(ProblemError):
    type = "/problems/read-only"
    title = "This service does not take writes"
    status = 403


class FeatureViewNotFound(ProblemError):
    """The feature view in a Feast request is not the one that is served."""

    type = "/problems/feature-view-not-found"
    title = "There is no such feature view"
    status = 404


class FeatureServiceNotFound(ProblemError):
    type = "/problems/feature-service-not-found"
    title = "There is no such feature service"
    status = 404


class PushSourceNotFound(ProblemError):
    type = "/problems/push-source-not-found"
    title = "There is no such push source"
    status = 422


class FeatureNotInView(ProblemError):
    type = "/problems/feature-not-in-view"
    title = "A feature is not in the feature view, or is asked for twice"
    status = 422


class NeedsSystemOfRecord(ProblemError):
    """History, pages, writes and erasures need PostgreSQL, and this service has only the online store."""

    type = "/problems/needs-system-of-record"
    title = "This needs the system of record, which this service is not connected to"
    status = 422


class BeforeRetention(ProblemError):
    """The history before the requested instant has been dropped."""

    type = "/problems/before-retention"
    title = "The history is not kept since that long ago"
    status = 422
