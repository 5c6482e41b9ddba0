"""Failures in the format of Feast's feature server: its client raises the class of feast.errors that they name."""

import json
import re
from collections.abc import Mapping

from starlette.responses import Response

from feature_service.errors import (
    FeatureNotInView,
    FeatureServiceNotFound,
    FeatureViewNotFound,
    PushSourceNotFound,
    ReadOnly,
)
from service_kit.problems import Forbidden, ProblemError, Unauthenticated
from service_kit.request.dialects import Dialect, message_of

_CLASSES: Mapping[type[ProblemError], str] = {
    FeatureViewNotFound: "FeatureViewNotFoundException",
    FeatureServiceNotFound: "FeatureServiceNotFoundException",
    PushSourceNotFound: "PushSourceNotFoundException",
    FeatureNotInView: "SpecifiedFeaturesNotPresentError",
    Unauthenticated: "FeastPermissionError",
    Forbidden: "FeastPermissionError",
    ReadOnly: "FeastPermissionError",
}


def _failure(problem: ProblemError) -> Response:
    """A JSON string that contains JSON, which is Feast's format."""
    name = _CLASSES.get(type(problem), "FeastError")
    error = json.dumps({"module": "feast.errors", "class": name, "message": message_of(problem)})
    return Response(json.dumps(error), problem.status, problem.answer_headers(), media_type="application/json")


FEAST = Dialect(
    re.compile(r"/feast(/|$)|/(get-online-features|push|write-to-online-store|health)$"),
    _failure,
    "application/json",
    {
        "type": "string",
        "description": "JSON with the keys module, class and message.",
        "contentMediaType": "application/json",
    },
)
