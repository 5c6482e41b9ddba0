"""The contract between the services: what crosses the wire, and nothing else."""

from shared_schemas.clients import MAX_CLIENT_ID, ClientId, parse_client_id
from shared_schemas.features import (
    FEATURE_NAMES,
    FEATURES,
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinition,
    FeatureDefinitions,
    FeatureValues,
    FeatureVector,
    feature_definitions,
)
from shared_schemas.instants import Instant
from shared_schemas.models import ModelDetails, ModelFile, ModelList, ModelRole, ModelSummary
from shared_schemas.predictions import (
    Contribution,
    CreditRisk,
    CreditRiskBatch,
    CreditRiskBatchRequest,
    Imputation,
    ReasonCode,
)
from shared_schemas.problems import InvalidPart, Problem
from shared_schemas.writes import FeatureWrite, FeatureWritten

__all__ = [
    "FEATURES",
    "FEATURE_NAMES",
    "MAX_CLIENT_ID",
    "ClientId",
    "Contribution",
    "CreditRisk",
    "CreditRiskBatch",
    "CreditRiskBatchRequest",
    "FeatureBatch",
    "FeatureBatchRequest",
    "FeatureDefinition",
    "FeatureDefinitions",
    "FeatureValues",
    "FeatureVector",
    "FeatureWrite",
    "FeatureWritten",
    "Imputation",
    "Instant",
    "InvalidPart",
    "ModelDetails",
    "ModelFile",
    "ModelList",
    "ModelRole",
    "ModelSummary",
    "Problem",
    "ReasonCode",
    "feature_definitions",
    "parse_client_id",
]
