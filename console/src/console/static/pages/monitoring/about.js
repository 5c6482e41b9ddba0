/** What is lacking where monitoring has nothing to tell, and what brings it. */

import { empty } from "../../shared/states.js";

/** @type {Record<string, [string, string, string]>} */
const LACKING = {
  population: [
    "This version keeps no population",
    "Decisions can be compared with training only if the version kept it. Train anew.",
    "python -m prediction_service train training.parquet",
  ],
  monitor: [
    "Nothing has been counted for this version yet",
    "The monitor counts once a minute. It runs beside the services; a new version is counted from its promotion on.",
    "python -m prediction_service monitor",
  ],
  decisions: [
    "Nothing was decided in this period",
    "Only decisions by client id count: no previews, no what-if.",
    "curl http://127.0.0.1:8000/credit_risk/client_id=5008804",
  ],
};

/** @param {string} lacking */
export function lackingState(lacking) {
  return empty(...(LACKING[lacking] ?? ["There is nothing to tell", "", ""]));
}
