/** The Models page: the versions and their roles, the page of one version, and the comparison of two. */

import { ask } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { fixed, percent } from "../shared/format.js";
import { badge, field, heading, instant, queryForm, select, versionLink } from "../shared/parts.js";
import { empty, section } from "../shared/states.js";
import { table } from "../shared/table.js";
import { comparePage } from "./model/compare.js";
import { modelPage } from "./model/model.js";

/** @typedef {import("../shared/router.js").Route} Route */

/** @param {Route} route @param {AbortSignal} signal */
export function page(route, signal) {
  const [version] = route.parts;
  const [first, second] = [route.query.get("first"), route.query.get("second")];
  if (version) return { title: `Model ${version}`, content: modelPage(version, signal) };
  const lists = section("Versions", signal, async () => versions(await ask("models", { signal }), first, second));
  return {
    title: "Models",
    content: [
      heading(
        "Models",
        "The versions in the registry. The champion decides. A challenger scores the same clients without effect on the answers.",
      ),
      lists,
      first && second ? comparePage(first, second, signal) : null,
    ],
  };
}

/** @param {any} found @param {string | null} first @param {string | null} second */
function versions({ models, champion, challenger }, first, second) {
  if (!models.length)
    return empty(
      "There is no model yet",
      "Train one on point-in-time training rows. The first version is promoted automatically.",
      "python -m prediction_service train training.parquet",
    );
  const usable = models
    .filter((/** @type {any} */ model) => !model.unreadable)
    .map((/** @type {any} */ model) => model.version);
  const other = challenger ?? usable.find((/** @type {string} */ version) => version !== champion);
  const options = usable.map((/** @type {string} */ version) => [version, version]);
  return [
    table(
      "Model versions, newest first",
      [
        "Version",
        "Role",
        "Estimator",
        "Trained",
        ...["AUC", "KS", "Brier", "Threshold"].map((title) => ({ title, number: true })),
      ],
      models.map(row),
    ),
    usable.length > 1
      ? el(
          "div",
          {},
          el("h3", {}, "Compare two versions"),
          queryForm(
            ["models"],
            [
              field("First version", select("first", options, first ?? champion)),
              field("Second version", select("second", options, second ?? other)),
            ],
            "Compare",
          ),
        )
      : el("p", { class: "muted" }, "With a second version, the two can be compared here."),
  ];
}

/** @param {any} model */
function row(model) {
  if (model.unreadable) return [model.version, badge("bad", "✕ unusable"), model.unreadable, "–", "–", "–", "–", "–"];
  const metric = (/** @type {string} */ name, digits = 3) => fixed(model.metrics?.[name], digits);
  return [
    versionLink(model.version),
    model.roles.length
      ? model.roles.map((/** @type {string} */ role) => badge(role === "champion" ? "good" : "plain", role))
      : "–",
    model.estimator,
    instant(model.created_at),
    metric("auc"),
    metric("ks"),
    metric("brier", 4),
    percent(model.threshold, 3),
  ];
}
