"""One call of each operation of both services, with the clients that openapi-python-client has made of their documents.

Run in the folder of the clients, with the address of a stack whose log takes erasures. A call that the client cannot make,
an answer that it cannot read, or an operation that is left out ends it.
"""

import importlib
import pkgutil
import sys
import time
from datetime import UTC, datetime
from uuid import UUID

sys.path.insert(0, ".")
BASE = sys.argv[1]
MISSING = 9_223_372_036_854_775_000
OWN = 9_000_000_000_000_000_001
asked = set()


def operations(package):
    api = importlib.import_module(f"{package}.api")
    parts = [part.name for part in pkgutil.iter_modules(api.__path__)]
    return {
        (package, part, one.name)
        for part in parts
        for one in pkgutil.iter_modules(importlib.import_module(f"{package}.api.{part}").__path__)
    }


def call(package, path, *values, status=200, parsed=None, body=None, **query):
    """The parsed answer of `api.<path>`, whose status and class must be as said."""
    operation = importlib.import_module(f"{package}.api.{path}")
    client = importlib.import_module(f"{package}.client").Client(base_url=f"{BASE}/{ADDRESSES[package]}", timeout=20)
    asked.add((package, *path.split(".")))
    with client:
        given = {} if body is None else {"body": model(package, body[0]).from_dict(body[1])}
        answer = operation.sync_detailed(*values, client=client, **given, **query)
    assert answer.status_code in (status if isinstance(status, tuple) else (status,)), (
        path,
        answer.status_code,
        answer.content[:500],
    )
    if parsed is not None:
        assert type(answer.parsed).__name__ == parsed, (path, type(answer.parsed))
    return answer.parsed


def model(package, name):
    return getattr(importlib.import_module(f"{package}.models"), name)


ADDRESSES = {"features": "feature-service", "predictions": "prediction-service"}


def features(path, *values, **said):
    return call("features", path, *values, **said)


def predictions(path, *values, **said):
    return call("predictions", path, *values, **said)


def ask_features():
    features("health.live", parsed="Live")
    features("health.ready", parsed="Ready")
    definitions = features("features.read_definitions", parsed="FeatureDefinitions")
    name, feature = definitions.name, definitions.features[0].name
    page = features("features.read_page", limit=3, parsed="FeaturePage")
    known = page.features[0].client_id
    vector = features("features.read_vector", known, parsed="FeatureVector")
    assert features("features.read_vector", MISSING, status=404, parsed="Problem").type_ == "/problems/client-not-found"
    ids = {"client_ids": [known, MISSING]}
    batch = features("features.read_batch", body=("FeatureBatchRequest", ids), parsed="FeatureBatch")
    assert batch.not_found == [MISSING]
    said = {"event_timestamp": "2021-01-01T00:00:00Z", feature: getattr(vector, feature)}
    written = features("features.write_vector", OWN, body=("FeatureWrite", said), parsed="FeatureWritten")
    assert written.applied
    features("features.erase_client", OWN, status=204)
    for prefix in ("", "feast_"):
        features(f"feast.{prefix}health")
        wanted = {"features": [f"{name}_features:{feature}"], "entities": {"client_id": [known]}}
        online = features(
            f"feast.{prefix}online_features", body=("OnlineFeaturesRequest", wanted), parsed="OnlineFeatures"
        )
        assert online.metadata.feature_names == ["client_id", feature]
        frame = {"client_id": [OWN], "event_timestamp": ["2021-01-01T00:00:00"], feature: [getattr(vector, feature)]}
        features(f"feast.{prefix}push", body=("PushRequest", {"push_source_name": f"{name}_push", "df": frame}))
        view = {"feature_view_name": f"{name}_features", "df": frame}
        features(f"feast.{prefix}write_to_online_store", body=("WriteRequest", view))
        features("features.erase_client", OWN, status=204)
    return known, name


def ask_models(name):
    predictions("health.live", parsed="Live")
    predictions("health.ready", parsed="Ready")
    version = predictions("models.model_versions", parsed="ModelList").champion
    details = predictions("models.model_version", version, parsed="ModelDetails")
    assert details.version == version
    predictions("models.model_tables", version, parsed="ModelTables")
    predictions("models.model_reference", version, parsed="ModelReference")
    predictions("models.model_dossier", version, parsed="Dossier")
    v2 = "open_inference_protocol_v2"
    predictions(f"{v2}.server_metadata", parsed="ServerMetadata")
    predictions(f"{v2}.server_live", parsed="Health")
    predictions(f"{v2}.server_ready", parsed="Health")
    assert predictions(f"{v2}.model_names", parsed="ModelNames").models == [name]
    assert predictions(f"{v2}.repository_index")[0].name == name
    predictions(f"{v2}.model_ready", name, parsed="ModelReady")
    predictions(f"{v2}.version_ready", name, version, parsed="ModelReady")
    inputs = predictions(f"{v2}.model_metadata", name, parsed="ModelMetadata").inputs
    predictions(f"{v2}.version_metadata", name, version, parsed="ModelMetadata")
    tensor = {"name": inputs[0].name, "shape": [1], "datatype": "FP64", "data": [44.0]}
    request = ("InferRequest", {"inputs": [tensor]})
    predictions(f"{v2}.infer", name, body=request, parsed="InferResponse")
    predictions(f"{v2}.infer_by_version", name, version, body=request, parsed="InferResponse")
    mlflow = "m_lflow_scoring"
    predictions(f"{mlflow}.ping")
    predictions(f"{mlflow}.health")
    predictions(f"{mlflow}.version")
    frame = {"dataframe_split": {"columns": [inputs[0].name], "data": [[44]]}}
    predictions(f"{mlflow}.invocations", body=("Invocation", frame), parsed="Predictions")
    return inputs[0].name


def ask_decisions(known, feature):
    risk = predictions("predictions.credit_risk_of_client", known, explain=True, parsed="CreditRisk")
    predictions("predictions.preview_of_client", known, parsed="CreditRisk")
    predictions("predictions.credit_risk_of_values", body=("FeatureValues", {feature: 44}), parsed="CreditRisk")
    ids = ("CreditRiskBatchRequest", {"client_ids": [known]})
    predictions("predictions.credit_risk_of_clients", body=ids, parsed="CreditRiskBatch")
    decision = risk.decision_id
    assert predictions("decisions.read_decision", decision, parsed="DecisionRecord")["client_id"] == known
    listed = predictions("decisions.list_decisions", client_id=known, parsed="DecisionList")
    assert str(decision) in [str(one.decision_id) for one in listed.decisions]
    predictions("decisions.count_decisions", parsed="DecisionCounts")
    predictions("decisions.replay_decision", decision, parsed="Replayed")
    predictions("decisions.reconsider_decision", decision, parsed="CreditRisk")
    predictions("decisions.read_statement", decision, parsed="Statement")
    review = ("Review", {"conclusion": "upheld", "comment": "seen"})
    predictions("decisions.review_decision", decision, body=review, status=201, parsed="Recorded")
    assert predictions("decisions.list_reviews", decision, parsed="ReviewList").reviews
    now = datetime.now(UTC).isoformat()
    outcomes = {"outcomes": [{"decision_id": str(decision), "observed_at": now, "defaulted": False}]}
    predictions("decisions.take_outcomes", body=("ObservedOutcomes", outcomes), parsed="TakenOutcomes")
    for _ in range(100):  # until the sequencer has passed
        if isinstance(predictions("decisions.prove_decision", decision, status=(200, 503, 404)), str):
            break
        time.sleep(0.2)
    size = predictions("decision_log.read_checkpoint").splitlines()[1]
    tile = "0/000" if int(size) >= 256 else f"0/000.p/{size}"
    predictions("decision_log.read_tile", tile)
    predictions("decisions.erase_decisions", client_id=OWN, status=(204, 404))


def ask_monitoring():
    predictions("monitoring.stability", parsed="Stability")
    predictions("monitoring.performance", parsed="Performance")
    predictions("monitoring.fairness", parsed="Fairness")
    predictions("monitoring.alarms", parsed="Alarms")
    seen = ("Acknowledgement", {"action": "adopt_reference"})
    predictions("monitoring.acknowledge_alarm", UUID(int=1), body=seen, status=404, parsed="Problem")


known, name = ask_features()
ask_decisions(known, ask_models(name))
ask_monitoring()
left = (operations("features") | operations("predictions")) - asked
assert not left, left
print(f"{len(asked)} operations, each called once or more")
