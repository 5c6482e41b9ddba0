/** The Features page: the served features, their definitions, and their distributions in training. */

import { shareBars } from "../charts/bars.js";
import { ask, Problem } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { binLabels, missingShare, rangeOf } from "../shared/features.js";
import { percent } from "../shared/format.js";
import { badge, field, heading } from "../shared/parts.js";
import { go, link } from "../shared/router.js";
import { empty, section } from "../shared/states.js";
import { facts } from "../shared/table.js";

/** @typedef {import("../shared/router.js").Route} Route */
/** @typedef {import("../shared/features.js").Feature} Feature */

/** @param {Route} route @param {AbortSignal} signal */
export function page(route, signal) {
  const [name] = route.parts;
  const client = el("input", { id: "client-id", inputmode: "numeric", pattern: "[1-9][0-9]{0,18}", required: true });
  const form = el(
    "form",
    { class: "filters card" },
    field("Open a client by id", client),
    el("button", { type: "submit" }, "Open"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(link(["clients", client.value.trim()]));
  });
  return {
    title: name ? `Feature ${name}` : "Features",
    content: [
      heading(
        name ? `Feature ${name}` : "Features",
        name
          ? el("a", { href: link(["features"]) }, "All features")
          : "The features of each client, as declared by the feature set.",
      ),
      form,
      section("Feature set", signal, () => featureSet(name, signal), { class: "bare" }),
    ],
  };
}

/** @param {string | undefined} name @param {AbortSignal} signal */
async function featureSet(name, signal) {
  const [set, population] = await Promise.all([ask("definitions", { signal }), distributions(signal)]);
  const shown = set.features.filter((/** @type {Feature} */ feature) => !name || feature.name === name);
  if (!shown.length)
    return empty(
      "No such feature",
      name ? "The feature set declares no feature of this name." : "The feature set is empty. Apply another one.",
      "python -m db_init apply feature_set.toml",
    );
  return [
    el(
      "p",
      {},
      `${set.name}, version ${set.version}, SHA-256 `,
      el("code", {}, set.digest.slice(0, 16)),
      population
        ? [
            ". Distributions are those of the clients that ",
            el("a", { href: link(["models", population.version]) }, population.version),
            " was trained on.",
          ]
        : ". There are no distributions, because the champion has no population, or the key does not give access to it.",
    ),
    el(
      "div",
      { class: "columns" },
      shown.map((/** @type {Feature} */ feature) => card(feature, population?.of.get(feature.name))),
    ),
  ];
}

/** The training population of the champion; null if there is none, or the key gives no access to it. @param {AbortSignal} signal */
async function distributions(signal) {
  try {
    const { champion: version } = await ask("models", { signal });
    if (!version) return null;
    const reference = await ask("reference", { path: { version }, signal });
    return { version, of: new Map(reference.features.map((/** @type {any} */ quantity) => [quantity.name, quantity])) };
  } catch (reason) {
    if (reason instanceof Problem) return null;
    throw reason;
  }
}

/** @param {Feature} feature @param {any} quantity */
function card(feature, quantity) {
  const all = quantity?.counts.reduce((/** @type {number} */ sum, /** @type {number} */ each) => sum + each, 0);
  return el(
    "article",
    { class: "card" },
    el(
      "h3",
      {},
      el("a", { href: link(["features", feature.name]) }, feature.name),
      " ",
      feature.use === "monitoring" ? badge("plain", "monitoring only") : null,
      feature.basis.length ? badge("plain", `protected: ${feature.basis.join(", ")}`) : null,
    ),
    el("p", {}, feature.description),
    facts([
      ["Type", feature.type],
      ["Unit", feature.unit || "none"],
      ["Range", rangeOf(feature)],
      ["Owner", feature.owner || "not named"],
      ["From", feature.source_columns.join(", ") || "not named"],
      ["Kept for", feature.max_age_days === null ? "any age" : `${feature.max_age_days} days`],
      ["Missing", quantity ? `${percent(missingShare(quantity), 1)} of clients in training` : "not known"],
    ]),
    quantity
      ? shareBars({
          title: `Share of clients by ${feature.name}${feature.unit ? `, ${feature.unit}` : ""}`,
          says: `Distribution of ${feature.name} in training; the numbers are in the table`,
          bins: binLabels(quantity, feature).map((label, index) => ({ label, expected: quantity.counts[index] / all })),
          names: ["Share of clients"],
        })
      : null,
  );
}
