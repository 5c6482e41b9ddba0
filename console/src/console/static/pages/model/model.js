/** The page of one model version: its training, measures, tables and card. */

import { calibrationChart, tenthsChart } from "../../charts/points.js";
import { stepChart } from "../../charts/steps.js";
import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { count, decimal, fixed, percent, size } from "../../shared/format.js";
import { namedCells } from "../../shared/features.js";
import { markdown } from "../../shared/markdown.js";
import { badge, heading, instant } from "../../shared/parts.js";
import { link } from "../../shared/router.js";
import { section } from "../../shared/states.js";
import { facts, more, table } from "../../shared/table.js";

/** @param {string} version @param {AbortSignal} signal */
export function modelPage(version, signal) {
  const asked = ask("model", { path: { version }, signal });
  asked.catch(() => {}); // each part shows the failure
  const part = (
    /** @type {string} */ title,
    /** @type {(model: any) => import("../../shared/dom.js").Child} */ content,
  ) => section(title, signal, async () => content(await asked));
  return [
    heading(`Model ${version}`, el("a", { href: link(["models"]) }, "All versions")),
    el("div", { class: "columns" }, part("Summary", summary), part("Measures", measures)),
    part("Predictive performance", plots),
    part("Tables", tables),
    part("Model card", (model) =>
      model.card ? more("Read the card", el("div", { class: "markdown" }, markdown(model.card))) : unreadable(model),
    ),
    part("Files", files),
  ];
}

/** @param {any} model */
function unreadable(model) {
  return el(
    "p",
    {},
    model.unreadable ? `This version cannot be used: ${model.unreadable}.` : "This version has none.",
  );
}

/** @param {any} model */
function summary(model) {
  if (model.unreadable) return unreadable(model);
  const training = model.training ?? {};
  return facts([
    [
      "Role",
      model.roles.length
        ? model.roles.map((/** @type {string} */ role) => badge(role === "champion" ? "good" : "plain", role))
        : "none",
    ],
    ["Estimator", `${model.estimator}, served from ${model.kind}`],
    ["Trained", instant(model.created_at, true)],
    ["Rows", `${count(training.rows)} of ${count(training.clients)} clients`],
    ["Defaults", `${count(training.defaults)} (${percent(training.default_rate)})`],
    ["Events", training.period?.join(" to ") ?? "not known"],
    ["Threshold", `${percent(model.threshold, 3)}: ${model.threshold_policy}`],
    ["Feature set", model.feature_set],
    ["Inputs", model.feature_names?.join(", ")],
  ]);
}

const MEASURES = { auc: "AUC", ks: "KS", pr_auc: "PR AUC", brier: "Brier", log_loss: "Log loss" };

/** @param {any} model */
function measures(model) {
  const validation = model.validation;
  if (!validation?.grouped?.folds) return unreadable(model);
  const of = (/** @type {any} */ split, /** @type {string} */ name) =>
    split?.folds?.[name] ? `${fixed(split.folds[name].mean, 4)} ± ${fixed(split.folds[name].sd, 4)}` : "–";
  const other = Object.entries(validation).find(([name]) => name !== "grouped" && validation[name]?.folds)?.[1];
  const slope = (/** @type {any} */ split) =>
    split?.calibration_slope
      ? `${fixed(split.calibration_slope.mean, 2)} (se ${fixed(split.calibration_slope.se, 2)})`
      : "–";
  return [
    el(
      "p",
      {},
      "On clients that were not in training, mean ± standard deviation over folds. An AUC of 0.5 is no better than chance, 1 is perfect.",
    ),
    table(
      "Measures",
      ["Measure", { title: "Rows split by person", number: true }, { title: "Rows split at random", number: true }],
      [
        ...Object.entries(MEASURES).map(([name, text]) => [text, of(validation.grouped, name), of(other, name)]),
        ["Calibration slope", slope(validation.grouped), slope(other)],
      ],
    ),
  ];
}

/** @param {any} model */
function plots(model) {
  const tenths = model.validation?.grouped?.deciles;
  if (!tenths?.length) return unreadable(model);
  return el("div", { class: "columns" }, calibrationChart(tenths), tenthsChart(tenths));
}

/** @param {any} model */
function tables(model) {
  if (!model.tables) return el("p", {}, "This version is not served from tables.");
  const named = new Map((model.features ?? []).map((/** @type {any} */ feature) => [feature.name, feature]));
  return [
    el(
      "p",
      {},
      `Log-odds of default = ${decimal(model.tables.base, 4)} plus one step of each feature. Steps above the zero line raise the risk.`,
    ),
    el(
      "div",
      { class: "columns" },
      model.tables.tables.map((/** @type {any} */ one) =>
        stepChart({
          tables: [namedCells(one, named.get(one.name))],
          names: [model.version],
          unit: named.get(one.name)?.unit,
        }),
      ),
    ),
  ];
}

/** @param {any} model */
function files(model) {
  if (!model.files) return unreadable(model);
  const rows = Object.entries(model.files).map(([name, file]) => [name, size(file.size), el("code", {}, file.sha256)]);
  return more("Files and their checksums", table("Files", ["File", { title: "Size", number: true }, "SHA-256"], rows));
}
