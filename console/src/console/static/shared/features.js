/** Definitions of features, and the format of their values. */

import { ask } from "./api.js";
import { el } from "./dom.js";
import { decimal, known } from "./format.js";

/**
 * @typedef {object} Feature
 * @property {string} name
 * @property {"integer" | "number" | "flag" | "category"} type
 * @property {string} unit
 * @property {number | null} minimum
 * @property {number | null} exclusive_minimum
 * @property {number | null} maximum
 * @property {number | null} exclusive_maximum
 * @property {string[] | null} categories
 * @property {string} description
 * @property {string[]} source_columns
 * @property {string} owner
 * @property {string[]} basis
 * @property {"model" | "monitoring"} use
 * @property {number | null} max_age_days
 */

/** @typedef {{name: string, edges: number[], categories: string[] | null, counts: number[]}} Quantity the last bin counts values that are missing or failed their check */

/** The feature definitions with which a model version was trained. @param {string} version @param {AbortSignal} signal @returns {Promise<Feature[]>} */
export async function featuresOf(version, signal) {
  const model = await ask("model", { path: { version }, signal });
  return model.features ?? [];
}

/** A stored value with its unit. @param {unknown} value @param {Feature} [feature] */
export function valueOf(value, feature) {
  if (!known(value)) return el("em", { class: "missing" }, "missing");
  if (feature?.type === "flag")
    return value === 1 || value === true ? "1 (yes)" : value === 0 || value === false ? "0 (no)" : String(value);
  if (typeof value !== "number") return String(value);
  const unit = feature?.unit ?? "";
  return [decimal(value, 2), unit ? el("span", { class: "unit" }, ` ${unit}`) : null];
}

/** @param {Feature} feature */
export function rangeOf(feature) {
  if (feature.type === "flag") return "0 or 1";
  if (feature.categories) return feature.categories.join(", ");
  const low =
    feature.minimum !== null
      ? `${feature.minimum} or more`
      : feature.exclusive_minimum !== null
        ? `above ${feature.exclusive_minimum}`
        : "";
  const high =
    feature.maximum !== null
      ? `at most ${feature.maximum}`
      : feature.exclusive_maximum !== null
        ? `below ${feature.exclusive_maximum}`
        : "";
  return [low, high].filter(Boolean).join(", ") || "any";
}

const FLAGS = ["0 (no)", "1 (yes)"];

/** Name the two cells in the table of a flag. @template {{edges?: number[], values: number[]}} T @param {T} table @param {Feature} [feature] */
export function namedCells(table, feature) {
  return feature?.type === "flag" && table.values.length === 2
    ? { ...table, edges: undefined, categories: FLAGS }
    : table;
}

/** The names of the bins of a distribution. @param {Quantity} quantity @param {Feature} [feature] */
export function binLabels({ edges, categories }, feature) {
  if (categories) return [...categories, "missing"];
  if (feature?.type === "flag" && edges.join() === "0,1") return [...FLAGS, "other", "missing"];
  const texts = edges.map((edge) => decimal(edge, 2));
  const between = edges
    .slice(1)
    .map((edge, index) =>
      Number.isInteger(edge) && edge - edges[index] === 1 ? texts[index + 1] : `${texts[index]} – ${texts[index + 1]}`,
    );
  return [`≤ ${texts[0]}`, ...between, `> ${texts[texts.length - 1]}`, "missing"];
}

/** Share of clients whose value is missing or failed its check. @param {Quantity} quantity */
export function missingShare({ counts }) {
  return counts[counts.length - 1] / counts.reduce((sum, each) => sum + each, 0);
}

/** @type {Record<string, string>} */
export const RULES = {
  missing_cell: "counts as missing, as learned in training",
  default_cell: "counts like most rows in training",
  best_cell: "counts like the value with the lowest risk",
  model: "imputed by the model's own steps",
};
