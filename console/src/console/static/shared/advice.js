/** Advice on problems for a person: one or two sentences and at most one command. */

import { hasKey } from "./api.js";

/** @typedef {import("./api.js").Problem} Problem */
/** @typedef {{text: string, command?: string}} Advice */

/** @type {Record<string, Advice>} */
const BY_TYPE = {
  "client-not-found": {
    text: "No client has this id, or nothing was known about it at that time. Check the id. New clients are added by a load.",
    command: "python -m db_init load loans.csv",
  },
  "invalid-request": { text: "Correct the values that are named here and try again." },
  "rate-limited": { text: "This key has sent too many requests. Wait a minute and try again." },
  overloaded: { text: "The service is overloaded. Try again in a few seconds." },
  "store-unavailable": {
    text: "The feature database does not answer. The service tries it again with each request. Check that it runs.",
    command: "docker compose ps db",
  },
  "feature-service-unavailable": {
    text: "The feature service does not answer, so the values of clients are unknown. Check that it runs.",
    command: "docker compose ps feature-service",
  },
  "prediction-service-unavailable": {
    text: "The prediction service does not answer. Check that it runs.",
    command: "docker compose ps prediction-service",
  },
  "decision-log-unavailable": {
    text: "The decision database does not answer. Nothing can be recorded or read, so nothing is decided. Check that it runs.",
    command: "docker compose ps decision-db",
  },
  "decision-log-off": {
    text: "This installation records no decisions. To record them, start it without the setting that turns the log off.",
    command: "PREDICTION_SERVICE_DECISION_LOG=on",
  },
  "model-unavailable": {
    text: "No model version passes its checks. Train one.",
    command: "python -m prediction_service train training.parquet",
  },
  "model-not-found": { text: "This model version does not exist, or it has no population or tables." },
  "model-gone": {
    text: "The model version or the policy of this decision was deleted, so it cannot be computed again.",
  },
  "policy-unavailable": {
    text: "There is no valid policy. Check the file.",
    command: "python -m prediction_service policy list",
  },
  "feature-set-mismatch": {
    text: "The features that are served are not those of the model. Train a version on the current feature set.",
  },
  "decision-not-found": { text: "No record has this id. Check it, or search the list of decisions." },
  "decision-erased": { text: "The record was erased after its retention. The log still proves that it existed." },
  "not-sequenced-yet": { text: "The log adds new records every second. Try again." },
  "alarm-not-open": { text: "This alarm was closed in the meantime. Load the page again." },
  "alarm-not-adoptable": { text: "Too few clients were counted since the change. Keep the reference, or wait." },
  "host-not-allowed": {
    text: "Without configured API keys, only this machine's own host names are accepted. Open the console at 127.0.0.1, or allow the name.",
    command: "PREDICTION_SERVICE_ALLOWED_HOSTS=name",
  },
  unreachable: {
    text: "The connection failed. Check that the installation runs, then try again.",
    command: "docker compose ps",
  },
  "internal-error": { text: "This is a defect of the service. Its log has details under this request id." },
};

/** @param {Problem} problem @returns {Advice} */
export function advice(problem) {
  if (problem.status === 401) {
    return hasKey()
      ? { text: "This installation does not accept the API key: it is unknown or expired. Enter another." }
      : { text: "This installation requires an API key. It is kept only in the memory of this page." };
  }
  if (problem.is("forbidden")) {
    return {
      text: `The API key lacks the scope ${problem.operation.scope}. Enter a key that has it.`,
      command: `python -m service_kit keys new --name console --scope ${problem.operation.scope}`,
    };
  }
  const service = problem.operation.service;
  if (problem.is("not-found") && service === "features") {
    return {
      text: "This address serves only the prediction service, so the feature service cannot be asked from here. Open the console at the front door, port 8000 unless configured otherwise.",
    };
  }
  return (
    BY_TYPE[problem.type.replace("/problems/", "")] ?? {
      text:
        problem.status >= 500
          ? "Try again in a few seconds. The log has details under this request id."
          : "Check the request.",
    }
  );
}
