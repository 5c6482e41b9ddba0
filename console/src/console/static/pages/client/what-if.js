/** What if: a form to change values, and the decision that would follow. */

import { riskScale } from "../../charts/risk.js";
import { contributionBars } from "../../charts/bars.js";
import { ask } from "../../shared/api.js";
import { el, fill } from "../../shared/dom.js";
import { percent, signed } from "../../shared/format.js";
import { field, outcome } from "../../shared/parts.js";
import { failed } from "../../shared/states.js";
import { reasonList } from "./answer.js";

/** @typedef {import("./client.js").Known} Known */
/** @typedef {import("../../shared/features.js").Feature} Feature */

const PAUSE_MS = 200;

/** @param {Known} known @param {AbortSignal} signal */
export function whatIf({ risk, features }, signal) {
  const inputs = features.filter((feature) => feature.name in risk.input_variables);
  const controls = inputs.map((feature) => control(feature, risk.input_variables[feature.name]));
  const result = el("div", { class: "what-if-result", "aria-live": "polite" });
  const form = el(
    "form",
    { class: "what-if-fields" },
    inputs.map((feature, index) => field(feature.name, controls[index], feature.unit)),
  );
  const reset = el("button", { type: "reset", class: "secondary" }, "As stored");
  form.append(reset);
  fill(result, changed(risk, risk));
  let turn = 0;
  const answer = async () => {
    const mine = ++turn;
    await new Promise((done) => setTimeout(done, PAUSE_MS));
    if (mine !== turn || signal.aborted) return;
    try {
      const body = Object.fromEntries(
        inputs.map((feature, index) => [feature.name, read(feature, controls[index].value)]),
      );
      const found = await ask("score", { query: { explain: true }, body, signal });
      if (mine === turn) fill(result, form.querySelector(".changed") ? changed(risk, found) : changed(risk, risk));
    } catch (reason) {
      if (mine === turn && !signal.aborted) fill(result, failed(reason));
    }
  };
  form.addEventListener("input", (event) => {
    const control = /** @type {HTMLInputElement} */ (event.target);
    control.classList.toggle("changed", control.value !== control.dataset.stored);
    void answer();
  });
  form.addEventListener("reset", () => {
    for (const control of controls) control.classList.remove("changed");
    void answer();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  return [form, result];
}

/** @param {Feature} feature @param {unknown} stored */
function control(feature, stored) {
  const value =
    stored === null || stored === undefined ? "" : String(stored === true ? 1 : stored === false ? 0 : stored);
  const common = { id: `what-if-${feature.name}`, name: feature.name, "data-stored": value };
  const options =
    feature.type === "flag"
      ? [
          ["1", "1 (yes)"],
          ["0", "0 (no)"],
        ]
      : feature.categories?.map((category) => [category, category]);
  if (options) {
    return el(
      "select",
      common,
      [["", "missing"], ...options].map(([key, text]) => el("option", { value: key, selected: key === value }, text)),
    );
  }
  const step = feature.type === "integer" ? 1 : "any";
  return el("input", {
    ...common,
    type: "number",
    step,
    min: feature.minimum ?? feature.exclusive_minimum,
    max: feature.maximum ?? feature.exclusive_maximum,
    value,
    placeholder: "missing",
  });
}

/** @param {Feature} feature @param {string} text @returns {number | string | null} */
function read(feature, text) {
  if (text === "") return null;
  return feature.type === "category" ? text : Number(text);
}

/** @param {any} before @param {any} after */
function changed(before, after) {
  return [
    headline(before, after),
    el(
      "div",
      { class: "columns" },
      el(
        "div",
        {},
        riskScale({ probability: after.probability, threshold: after.threshold, before: before.probability }),
        reasonList(after.reason_codes),
      ),
      after.contributions ? bars(before, after) : null,
    ),
  ];
}

/** @param {any} before @param {any} after */
function headline(before, after) {
  if (before === after)
    return el(
      "p",
      { class: "headline" },
      outcome(after.decision),
      el("strong", {}, percent(after.probability)),
      el("span", { class: "muted" }, "every value as stored"),
    );
  const points = signed(1000 * (after.probability - before.probability));
  return el(
    "p",
    { class: "headline" },
    outcome(before.decision),
    el("span", {}, "becomes"),
    outcome(after.decision),
    el("strong", {}, percent(after.probability)),
    el("span", {}, `instead of ${percent(before.probability)}: ${points} points of score`),
  );
}

/** @param {any} before @param {any} after */
function bars(before, after) {
  const stored = (/** @type {number} */ index) =>
    before.contributions ? signed(before.contributions[index].points, 2) : "–";
  return contributionBars({
    title: "Contribution that each feature would make, in points of score",
    rows: after.contributions.map((/** @type {any} */ each) => ({ label: each.feature, points: each.points })),
    numbers: {
      columns: ["Feature", { title: "Points now", number: true }, { title: "Points as stored", number: true }],
      rows: after.contributions.map((/** @type {any} */ each, /** @type {number} */ index) => [
        each.feature,
        signed(each.points, 2),
        stored(index),
      ]),
    },
  });
}
