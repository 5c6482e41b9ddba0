/** The values of a client: each with its event time, its check, and the value that the model reads instead. */

import { el } from "../../shared/dom.js";
import { RULES, valueOf } from "../../shared/features.js";
import { badge, instant } from "../../shared/parts.js";
import { table } from "../../shared/table.js";

/** @typedef {import("./client.js").Known} Known */
/** @typedef {import("../../shared/features.js").Feature} Feature */

/** @param {Known} known @param {string | null} asOf */
export function vectorPart({ risk, vector, features }, asOf) {
  const values = vector ?? { ...risk.input_variables, event_timestamp: risk.event_timestamp };
  const rows = features
    .filter((feature) => feature.name in values)
    .map((feature) => [
      [el("strong", {}, feature.name), el("small", { class: "block muted" }, feature.description)],
      valueOf(values[feature.name], feature),
      instant(values.feature_timestamps?.[feature.name] ?? values.event_timestamp),
      check(feature, values[feature.name], risk),
      standIn(risk.imputed?.[feature.name], feature, risk),
    ]);
  return [
    el("p", {}, asOf ? "Last event before then: " : "Last event: ", instant(values.event_timestamp, true)),
    vector
      ? null
      : el(
          "p",
          { class: "notice" },
          "The feature service cannot be asked from this address or with this key. So values that the model does not read, and past values, are not shown. Open the console at the front door.",
        ),
    table("What is known", ["Feature", "Value", "Event", "Check", "What the model reads"], rows),
  ];
}

/** @param {Feature} feature @param {unknown} value @param {any} risk */
function check(feature, value, risk) {
  if (risk.qa_failure_cases?.includes(feature.name)) return badge("bad", "✕ failed");
  if (risk.stale?.includes(feature.name)) return badge("warn", "! too old");
  if (value === null || value === undefined) return badge("warn", "– missing");
  return badge("good", "✓ ok");
}

/** @param {{rule: string, value: number | null} | undefined} imputed @param {Feature} feature @param {any} risk */
function standIn(imputed, feature, risk) {
  if (imputed) return [RULES[imputed.rule] ?? imputed.rule, imputed.value === null ? null : `: ${imputed.value}`];
  return feature.name in risk.input_variables
    ? "as stored"
    : el("span", { class: "muted" }, "not an input of the model");
}
