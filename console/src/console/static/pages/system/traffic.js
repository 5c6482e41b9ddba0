/** Requests and errors per second, from the services' counters, which are read repeatedly while the page is open. */

import { seriesChart } from "../../charts/series.js";
import { askText, Problem } from "../../shared/api.js";
import { el, fill } from "../../shared/dom.js";
import { decimal } from "../../shared/format.js";
import { failed } from "../../shared/states.js";
import { rates, totals } from "./metrics.js";

/** @typedef {import("./metrics.js").Sample} Sample */

const KEPT = 120;

/** The samples, kept while the console is open. @type {Sample[]} */
const samples = [];

/** @param {AbortSignal} signal @param {number} everyMs */
export function trafficPart(signal, everyMs) {
  const place = el("div");
  const look = async () => {
    try {
      samples.push(await sample(signal));
      if (samples.length > KEPT) samples.shift();
      if (!signal.aborted) fill(place, shown(everyMs));
    } catch (reason) {
      if (!signal.aborted) fill(place, failed(reason));
    }
  };
  void look();
  const timer = setInterval(() => void look(), everyMs);
  signal.addEventListener("abort", () => clearInterval(timer));
  return place;
}

/** @param {AbortSignal} signal @returns {Promise<Sample>} */
async function sample(signal) {
  const second = Date.now() / 1000;
  const [features, predictions] = await Promise.all([
    metricsOf("featuresMetrics", signal),
    metricsOf("predictionsMetrics", signal),
  ]);
  return { second, features, predictions };
}

/** @param {"featuresMetrics" | "predictionsMetrics"} operation @param {AbortSignal} signal */
async function metricsOf(operation, signal) {
  try {
    return totals(await askText(operation, { signal }));
  } catch (reason) {
    if (reason instanceof Problem && reason.status !== 401 && reason.status !== 403) return null; // an outage is a gap in the line
    throw reason;
  }
}

/** @param {number} everyMs */
function shown(everyMs) {
  if (samples.length < 2)
    return el("p", { class: "muted" }, `Counting. The first figures appear after ${everyMs / 1000} seconds.`);
  const found = rates(samples);
  const write = (/** @type {number | null} */ value) => (value === null ? "–" : decimal(value, 2));
  const last = found[found.length - 1];
  return [
    el(
      "p",
      {},
      `Feature service ${write(last.features)} requests/s, prediction service ${write(last.predictions)} requests/s, server errors ${write(last.errors)} per second. Each reading comes from one replica, and includes the console's own requests.`,
    ),
    seriesChart({
      title: "Requests and server errors per second",
      seconds: found.map((rate) => rate.second),
      write: (value) => decimal(value, 1),
      series: [
        { name: "feature service", colour: "series-a", values: found.map((rate) => rate.features) },
        { name: "prediction service", colour: "series-b", values: found.map((rate) => rate.predictions) },
        { name: "server errors", colour: "series-c", values: found.map((rate) => rate.errors) },
      ],
      numbers: {
        columns: [
          "At",
          ...["Feature service", "Prediction service", "Server errors"].map((title) => ({
            title: `${title} per second`,
            number: true,
          })),
        ],
        rows: [...found]
          .reverse()
          .slice(0, 30)
          .map((rate) => [
            new Date(rate.second * 1000).toISOString().slice(11, 19) + "Z",
            write(rate.features),
            write(rate.predictions),
            write(rate.errors),
          ]),
      },
    }),
  ];
}
