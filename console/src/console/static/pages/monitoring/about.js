/** What is missing if monitoring has no data, and the command that provides it. */

import { empty } from "../../shared/states.js";

/** @type {Record<string, [string, string, string]>} */
const LACKING = {
  population: [
    "This version has no population",
    "Decisions can be compared with training only if the version contains its training population. Train a new version.",
    "python -m prediction_service train training.parquet",
  ],
  monitor: [
    "Nothing has been counted for this version yet",
    "The monitor counts once a minute. It is a separate process. A new version is counted from its promotion on.",
    "python -m prediction_service monitor",
  ],
  decisions: [
    "Nothing was decided in this period",
    "Only decisions by client id count. Previews and what-if do not.",
    "curl http://127.0.0.1:8000/credit_risk/client_id=5008804",
  ],
};

/** @param {string} lacking */
export function lackingState(lacking) {
  return empty(...(LACKING[lacking] ?? ["There is nothing to show", "", ""]));
}
