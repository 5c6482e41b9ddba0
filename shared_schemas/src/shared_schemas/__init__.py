"""The contract between the services: what crosses the wire, and nothing else."""

from shared_schemas.clients import MAX_CLIENT_ID, ClientId, parse_client_id
from shared_schemas.feature_sets import Basis, Feature, FeatureSet, FeatureType
from shared_schemas.features import (
    FeatureBatch,
    FeatureBatchRequest,
    FeatureDefinitions,
    FeaturePage,
    FeatureVector,
    FeatureWritten,
)
from shared_schemas.instants import Instant
from shared_schemas.models import (
    ModelDetails,
    ModelFile,
    ModelList,
    ModelReference,
    ModelRole,
    ModelSummary,
    ModelTables,
)
from shared_schemas.predictions import (
    Contribution,
    CreditRisk,
    CreditRiskBatch,
    CreditRiskBatchRequest,
    Imputation,
    ReasonCode,
)
from shared_schemas.problems import InvalidPart, Problem
from shared_schemas.reason_texts import FeatureTexts
from shared_schemas.values import FeatureWrite

__all__ = [
    "MAX_CLIENT_ID",
    "Basis",
    "ClientId",
    "Contribution",
    "CreditRisk",
    "CreditRiskBatch",
    "CreditRiskBatchRequest",
    "Feature",
    "FeatureBatch",
    "FeatureBatchRequest",
    "FeatureDefinitions",
    "FeaturePage",
    "FeatureSet",
    "FeatureTexts",
    "FeatureType",
    "FeatureVector",
    "FeatureWrite",
    "FeatureWritten",
    "Imputation",
    "Instant",
    "InvalidPart",
    "ModelDetails",
    "ModelFile",
    "ModelList",
    "ModelReference",
    "ModelRole",
    "ModelSummary",
    "ModelTables",
    "Problem",
    "ReasonCode",
    "parse_client_id",
]
