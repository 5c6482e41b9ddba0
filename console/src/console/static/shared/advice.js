/** What a person can do about a problem, in one sentence and at most one command. */

import { hasKey } from "./api.js";

/** @typedef {import("./api.js").Problem} Problem */
/** @typedef {{text: string, command?: string}} Advice */

/** @type {Record<string, Advice>} */
const BY_TYPE = {
  "client-not-found": {
    text: "No client has this id, or nothing was known of it at that instant. Check the id; new clients come with a load.",
    command: "python -m db_init load loans.csv",
  },
  "invalid-request": { text: "Correct what is named here and try again." },
  "rate-limited": { text: "This key has asked too often. Wait a minute and try again." },
  overloaded: { text: "The service has more to do than it can. Try again in a few seconds." },
  "store-unavailable": {
    text: "The feature database is away. It is tried again with each request; see whether it runs.",
    command: "docker compose ps db",
  },
  "feature-service-unavailable": {
    text: "The feature service is away, so nothing is known about clients now. See whether it runs.",
    command: "docker compose ps feature-service",
  },
  "prediction-service-unavailable": {
    text: "The prediction service is away. See whether it runs.",
    command: "docker compose ps prediction-service",
  },
  "decision-log-unavailable": {
    text: "The decision database is away: nothing can be recorded or read, and so nothing is decided. See whether it runs.",
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
  "model-not-found": { text: "There is no such model version any more, or it keeps no population or tables." },
  "model-gone": {
    text: "The version or the policy that decided is not kept any more, so that this cannot be computed again.",
  },
  "policy-unavailable": {
    text: "There is no policy to decide with. Check the file.",
    command: "python -m prediction_service policy list",
  },
  "feature-set-mismatch": {
    text: "The features that are served are not those of the model. Train a version on the present set.",
  },
  "decision-not-found": { text: "No record has this id. Check it, or look in the list of decisions." },
  "decision-erased": { text: "The record was erased after its retention. The log still proves that it was there." },
  "not-sequenced-yet": { text: "The log takes up new records every second. Try again." },
  "alarm-not-open": { text: "Somebody has closed this alarm meanwhile. Load the page again." },
  "alarm-not-adoptable": { text: "Too few clients have been seen since the change. Keep the reference, or wait." },
  "host-not-allowed": {
    text: "While no API key is configured, only this machine's own names are answered. Open the console by 127.0.0.1, or allow the name.",
    command: "PREDICTION_SERVICE_ALLOWED_HOSTS=name",
  },
  unreachable: {
    text: "The connection failed. Check that the installation runs, then try again.",
    command: "docker compose ps",
  },
  "internal-error": { text: "This is a defect of the service. Its log says more under this request id." },
};

/** @param {Problem} problem @returns {Advice} */
export function advice(problem) {
  if (problem.status === 401) {
    return hasKey()
      ? { text: "The API key is not a good one here: unknown or expired. Enter another." }
      : { text: "This installation asks for an API key. It is kept in this page's memory only." };
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
      text: "This address serves the prediction service alone, so the feature service cannot be asked from here. Open the console at the front door, port 8000 unless configured otherwise.",
    };
  }
  return (
    BY_TYPE[problem.type.replace("/problems/", "")] ?? {
      text:
        problem.status >= 500
          ? "Try again in a few seconds. The log says more under this request id."
          : "Check what was asked for.",
    }
  );
}
