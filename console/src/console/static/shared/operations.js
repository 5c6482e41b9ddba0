/** The operations of the public API that the pages use: method, address, scope of a key, and service. */

/**
 * @typedef {object} Operation
 * @property {"GET" | "POST"} method
 * @property {string} address relative to the front door; `{name}` is replaced by a path parameter
 * @property {string | null} scope the scope that a key needs; null if no key is needed
 * @property {"features" | "predictions" | "front"} service
 */

/** @param {Operation["method"]} method @param {string} address @param {string | null} scope @param {Operation["service"]} service @returns {Operation} */
const of = (method, address, scope, service) => ({ method, address, scope, service });

export const OPERATIONS = {
  vector: of("GET", "online_feature_store/client_id={client_id}", "features:read", "features"),
  vectors: of("GET", "online_feature_store", "features:read", "features"),
  definitions: of("GET", "feature_definitions", "features:read", "features"),
  preview: of("POST", "credit_risk/client_id={client_id}/preview", "predict", "predictions"),
  decide: of("GET", "credit_risk/client_id={client_id}", "predict", "predictions"),
  score: of("POST", "credit_risk", "predict", "predictions"),
  decisions: of("GET", "decisions", "decisions:read", "predictions"),
  counts: of("GET", "decisions/counts", "decisions:read", "predictions"),
  decision: of("GET", "decisions/{decision_id}", "decisions:read", "predictions"),
  proof: of("GET", "decisions/{decision_id}/proof", "decisions:read", "predictions"),
  statement: of("GET", "decisions/{decision_id}/statement", "decisions:read", "predictions"),
  reviews: of("GET", "decisions/{decision_id}/reviews", "decisions:read", "predictions"),
  review: of("POST", "decisions/{decision_id}/reviews", "decisions:review", "predictions"),
  replay: of("POST", "decisions/{decision_id}/replay", "decisions:read", "predictions"),
  reconsider: of("POST", "decisions/{decision_id}/reconsider", "predict", "predictions"),
  models: of("GET", "models", "predict", "predictions"),
  model: of("GET", "models/{version}", "predict", "predictions"),
  tables: of("GET", "models/{version}/tables", "predict", "predictions"),
  reference: of("GET", "models/{version}/reference", "predict", "predictions"),
  stability: of("GET", "monitoring/stability", "metrics:read", "predictions"),
  performance: of("GET", "monitoring/performance", "metrics:read", "predictions"),
  fairness: of("GET", "monitoring/fairness", "metrics:read", "predictions"),
  alarms: of("GET", "monitoring/alarms", "metrics:read", "predictions"),
  acknowledge: of("POST", "monitoring/alarms/{alarm_id}/acknowledge", "admin", "predictions"),
  checkpoint: of("GET", "decision_log/checkpoint", null, "predictions"),
  frontReady: of("GET", "health/ready", null, "front"),
  featuresReady: of("GET", "feature-service/health/ready", null, "features"),
  predictionsReady: of("GET", "prediction-service/health/ready", null, "predictions"),
  featuresMetrics: of("GET", "feature-service/metrics", "metrics:read", "features"),
  predictionsMetrics: of("GET", "prediction-service/metrics", "metrics:read", "predictions"),
};

/** @typedef {keyof typeof OPERATIONS} OperationName */
