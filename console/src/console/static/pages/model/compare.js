/** Comparison of two versions: measures, tables, and the clients on which they disagree. */

import { stepChart } from "../../charts/steps.js";
import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { count, fixed, interval, percent } from "../../shared/format.js";
import { namedCells } from "../../shared/features.js";
import { badge } from "../../shared/parts.js";
import { section } from "../../shared/states.js";
import { table } from "../../shared/table.js";

/** @param {string} first @param {string} second @param {AbortSignal} signal */
export function comparePage(first, second, signal) {
  const both = Promise.all([first, second].map((version) => ask("model", { path: { version }, signal })));
  both.catch(() => {}); // each part shows the failure
  return [
    section("Measures of both", signal, async () => measures(await both)),
    section("Tables of both", signal, async () => tables(await both)),
    section("Swap set", signal, async () => swapSet(await ask("performance", { signal }), [first, second])),
  ];
}

const ROWS = /** @type {const} */ ([
  ["AUC", "auc", 4],
  ["KS", "ks", 4],
  ["PR AUC", "pr_auc", 4],
  ["Brier", "brier", 5],
  ["Log loss", "log_loss", 5],
]);

/** @param {any[]} models */
function measures(models) {
  const heads = models.map((model) => ({ title: model.version, number: true }));
  return table(
    "Measures of both versions",
    ["Measure", ...heads],
    [
      ...ROWS.map(([title, name, digits]) => [title, ...models.map((model) => fixed(model.metrics?.[name], digits))]),
      ["Threshold", ...models.map((model) => percent(model.threshold, 3))],
      ["Training rows", ...models.map((model) => count(model.training?.rows))],
      ["Estimator", ...models.map((model) => model.estimator ?? "–")],
    ],
  );
}

/** @param {any[]} models */
function tables(models) {
  if (models.some((model) => !model.tables))
    return el("p", {}, "Only versions that are served from tables can be compared here.");
  const names = models.map((model) => model.version);
  const named = new Map((models[0].features ?? []).map((/** @type {any} */ feature) => [feature.name, feature]));
  const found = models[0].tables.tables.map((/** @type {any} */ one) =>
    [one, models[1].tables.tables.find((/** @type {any} */ other) => other.name === one.name)].filter(Boolean),
  );
  return el(
    "div",
    { class: "columns" },
    found.map((/** @type {any[]} */ pair) =>
      stepChart({
        tables: pair.map((one) => namedCells(one, named.get(one.name))),
        names: names.slice(0, pair.length),
      }),
    ),
  );
}

const CELLS = {
  both_pass: "Both pass",
  both_flagged: "Both flag",
  swap_in: "Only the champion flags",
  swap_out: "Only the challenger flags",
};

/** @param {any} found @param {string[]} versions */
function swapSet({ comparison, model_version: champion, horizon_days: horizon }, versions) {
  if (!comparison)
    return el(
      "p",
      {},
      `The swap set is computed for champion and challenger, from decisions that are ${horizon} days old and their outcomes. There are none yet.`,
    );
  if (![champion, comparison.challenger].every((version) => versions.includes(version)))
    return el("p", {}, `There is a swap set only for the champion ${champion} and the challenger ${comparison.challenger}.`);
  const set = comparison.swap_set;
  if (set.agreement === null) return el("p", {}, "No decision of both versions is old enough yet.");
  return [
    el(
      "p",
      {},
      badge(comparison.better ? "good" : "plain", comparison.better ? "the challenger is better" : "not proven better"),
      ` Log evidence ${fixed(comparison.log_e, 2)}; difference in AUC ${interval(comparison.auc_difference, (value) => fixed(value, 3))}.`,
    ),
    table(
      "Clients by the results of both versions",
      ["Result", ...["Clients", "Outcomes", "Defaults", "Default rate"].map((title) => ({ title, number: true }))],
      Object.entries(CELLS).map(([name, title]) => [
        title,
        count(set[name].clients),
        count(set[name].outcomes),
        count(set[name].defaults),
        interval(set[name].rate, (value) => percent(value)),
      ]),
    ),
    el(
      "p",
      {},
      `Both agree on ${percent(set.agreement, 1)} of the clients. Default rate of the swapped in minus that of the swapped out: ${interval(set.difference, (value) => percent(value))}.`,
    ),
  ];
}
