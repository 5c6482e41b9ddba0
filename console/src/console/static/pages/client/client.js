/** The page of one client: sends each request once and shows the answers in several parts. */

import { ask, Problem } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { featuresOf } from "../../shared/features.js";
import { heading, instant } from "../../shared/parts.js";
import { link } from "../../shared/router.js";
import { section } from "../../shared/states.js";
import { answerPart, reasonsPart } from "./answer.js";
import { decideButton } from "./deciding.js";
import { vectorPart } from "./vector.js";
import { whatIf } from "./what-if.js";

/**
 * The values of a client and the possible decision.
 * @typedef {object} Known
 * @property {any} risk the answer to a preview, or to the values as of a past time
 * @property {any} vector null if the feature service cannot be asked from here
 * @property {import("../../shared/features.js").Feature[]} features
 * @property {any} reference null if the version has no population
 */

/** @param {string} id @param {string | null} asOf @param {AbortSignal} signal */
export function clientPage(id, asOf, signal) {
  const known = knownOf(id, asOf, signal);
  known.catch(() => {}); // each part shows the failure
  const part = (
    /** @type {string} */ title,
    /** @type {(known: Known) => import("../../shared/dom.js").Child} */ content,
    more = {},
  ) => section(title, signal, async () => content(await known), more);
  return [
    heading(
      `Client ${id}`,
      asOf
        ? ["As of ", instant(asOf), ". No decision can be made as of a past time."]
        : [
            "Viewing this page makes no decision. ",
            el("a", { href: link(["decisions"], { client_id: id }) }, "Decisions about this client"),
          ],
    ),
    el(
      "div",
      { class: "columns" },
      part(asOf ? "What would have been decided" : "What would be decided now", (found) => [
        answerPart(found),
        asOf ? null : decideButton(id),
      ]),
      part("Why", reasonsPart),
    ),
    part("What is known", (found) => vectorPart(found, asOf)),
    part("What if", (found) => whatIf(found, signal), {
      lead: "Change a value to see what would be decided. Nothing is recorded.",
    }),
  ];
}

/** @param {string} id @param {string | null} asOf @param {AbortSignal} signal @returns {Promise<Known>} */
async function knownOf(id, asOf, signal) {
  const asked = vectorOf(id, asOf, signal);
  const [vector, risk] = await Promise.all([
    asked,
    asOf
      ? asked.then((found) => riskThen(found, signal))
      : ask("preview", { path: { client_id: id }, query: { explain: true }, signal }),
  ]);
  const [features, reference] = await Promise.all([
    featuresOf(risk.model_version, signal),
    referenceOf(risk.model_version, signal),
  ]);
  return { risk, vector, features, reference };
}

/** @param {string} id @param {string | null} asOf @param {AbortSignal} signal */
async function vectorOf(id, asOf, signal) {
  try {
    return await ask("vector", { path: { client_id: id }, query: { as_of: asOf }, signal });
  } catch (reason) {
    // The preview contains the current values. Values that only the feature service has are not shown.
    if (
      reason instanceof Problem &&
      !asOf &&
      (reason.is("not-found") || reason.is("forbidden") || reason.is("unauthenticated"))
    )
      return null;
    throw reason;
  }
}

/** Scores the values of a vector, without its client. @param {any} vector @param {AbortSignal} signal */
async function riskThen(vector, signal) {
  const { champion } = await ask("models", { signal });
  const model = await ask("model", { path: { version: champion }, signal });
  const values = Object.fromEntries(
    (model.feature_names ?? []).map((/** @type {string} */ name) => [name, vector[name] ?? null]),
  );
  return ask("score", { query: { explain: true }, body: values, signal });
}

/** @param {string} version @param {AbortSignal} signal */
async function referenceOf(version, signal) {
  try {
    return await ask("reference", { path: { version }, signal });
  } catch (reason) {
    if (reason instanceof Problem && reason.is("model-not-found")) return null;
    throw reason;
  }
}
