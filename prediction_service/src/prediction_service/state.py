"""The state of the prediction service: opened at startup, available to every handler."""

from dataclasses import dataclass

from prediction_service.clock import Clock, machine_clock
from prediction_service.features.fitting import FittedFeatures
from prediction_service.policy.followed import Policies
from prediction_service.recording.log import Recording
from prediction_service.settings import Settings
from prediction_service.versions.past import PastModels
from prediction_service.versions.serving import Models


@dataclass(frozen=True, slots=True)
class State:
    settings: Settings
    features: FittedFeatures
    models: Models
    policies: Policies
    recording: Recording
    past_models: PastModels
    clock: Clock = machine_clock
