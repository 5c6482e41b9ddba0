/** The part that shows the possible decision and its reasons. */

import { contributionBars } from "../../charts/bars.js";
import { placeIn, populationChart, riskScale } from "../../charts/risk.js";
import { el } from "../../shared/dom.js";
import { percent, signed } from "../../shared/format.js";
import { valueOf } from "../../shared/features.js";
import { outcome, versionLink } from "../../shared/parts.js";
import { facts } from "../../shared/table.js";

/** @typedef {import("./client.js").Known} Known */

/** @param {Known} known */
export function answerPart({ risk, reference }) {
  const place = reference && placeIn(reference.histogram, risk.probability);
  return [
    el(
      "p",
      { class: "headline" },
      outcome(risk.decision),
      el("strong", {}, percent(risk.probability)),
      el("span", {}, " probability of default"),
    ),
    riskScale(risk),
    reference
      ? populationChart({ histogram: reference.histogram, probability: risk.probability, threshold: risk.threshold })
      : null,
    facts([
      ["Score", `${risk.score} of 1000 (0 is the lowest risk)`],
      [
        "Place",
        place ? `${percent(place.below, 1)} of the population have a lower risk` : "this version has no population",
      ],
      ["Threshold", percent(risk.threshold, 3)],
      ["Policy", risk.policy_version],
      ["Model", versionLink(risk.model_version)],
    ]),
  ];
}

/** @param {Known} known */
export function reasonsPart({ risk, features }) {
  if (!risk.contributions)
    return el("p", {}, "This model version has no contributions, because it is not served from tables.");
  const named = new Map(features.map((feature) => [feature.name, feature]));
  return [
    reasonList(risk.reason_codes),
    contributionBars({
      title: "Contribution of each feature, in points of score",
      rows: risk.contributions.map((/** @type {any} */ each) => ({
        label: `${each.feature} = ${plain(each.value)}`,
        points: each.points,
      })),
      numbers: contributionNumbers(risk, named),
    }),
    el(
      "p",
      { class: "muted" },
      "Contributions are exact Shapley values against the training population. They describe the model; they are not causes.",
    ),
  ];
}

/** @param {unknown} value */
function plain(value) {
  return value === null || value === undefined
    ? "missing"
    : typeof value === "number"
      ? Number(value.toFixed(2))
      : value;
}

/** @param {any} risk @param {Map<string, import("../../shared/features.js").Feature>} named */
function contributionNumbers(risk, named) {
  return {
    columns: ["Feature", "Value", { title: "Points of score", number: true }, { title: "Log-odds", number: true }],
    rows: risk.contributions.map((/** @type {any} */ each) => [
      each.feature,
      valueOf(each.value, named.get(each.feature)),
      signed(each.points, 2),
      signed(each.contribution, 4),
    ]),
  };
}

/** @param {{code: string, text: string}[] | null | undefined} reasons */
export function reasonList(reasons) {
  if (!reasons?.length) return el("p", {}, "No feature raises the risk enough to be an adverse reason.");
  return [
    el("h3", {}, "Adverse reasons, largest first"),
    el(
      "ol",
      { class: "reasons" },
      reasons.map((reason) => el("li", {}, reason.text, " ", el("code", { class: "muted" }, reason.code))),
    ),
  ];
}
