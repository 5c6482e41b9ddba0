/** The Monitoring page: whether the model in use still works as in training. */

import { ask, Problem } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { heading, field, queryForm, select } from "../shared/parts.js";
import { fairnessPart } from "./monitoring/fairness.js";
import { performancePart } from "./monitoring/performance.js";
import { alarmsPart } from "./monitoring/alarms.js";
import { stabilityParts } from "./monitoring/stability.js";

/** @typedef {import("../shared/router.js").Route} Route */

const PERIODS = /** @type {[string, string][]} */ ([
  ["7", "7 days"],
  ["28", "28 days"],
  ["90", "90 days"],
  ["365", "365 days"],
]);

/** @param {Route} route @param {AbortSignal} signal */
export function page(route, signal) {
  const shown = {
    days: route.query.get("days") ?? "28",
    version: route.query.get("model_version") || null,
    quantity: route.query.get("quantity"),
  };
  const fields = [field("Period shown", select("days", PERIODS, shown.days)), versionField(shown.version, signal)];
  // The stream is selected in the table. It stays selected when the period or the version changes.
  if (shown.quantity) fields.push(el("input", { type: "hidden", name: "quantity", value: shown.quantity }));
  return {
    title: "Monitoring",
    content: [
      heading("Monitoring", "Whether clients, scores and outcomes are still as in training."),
      queryForm(["monitoring"], fields, "Show"),
      shown.version ? ofAnother(shown.version) : null,
      alarmsPart(shown, signal),
      ...stabilityParts(shown, signal),
      performancePart(shown, signal),
      fairnessPart(shown, signal),
    ],
  };
}

/** The versions to choose from. Listing them needs another scope than this page. @param {string | null} chosen @param {AbortSignal} signal */
function versionField(chosen, signal) {
  /** @type {[string, string][]} */
  const options = [["", "the one that decides"]];
  if (chosen) options.push([chosen, chosen]);
  const control = select("model_version", options, chosen);
  const place = field("Version", control);
  const known = async () => {
    try {
      const { models } = await ask("models", { signal });
      for (const { version } of models)
        if (version !== chosen) control.append(el("option", { value: version }, version));
    } catch (reason) {
      if (signal.aborted) return;
      const forbidden = reason instanceof Problem && reason.is("forbidden");
      place.append(el("small", {}, forbidden ? "The list needs a key with the scope predict." : "The others are not known."));
    } finally {
      control.removeAttribute("aria-busy");
    }
  };
  control.setAttribute("aria-busy", "true");
  void known();
  return place;
}

/** @param {string} version */
function ofAnother(version) {
  return el(
    "p",
    { class: "notice" },
    `Of version ${version}. Decisions are counted for each version. Evidence, outcomes and alarms exist only for the version that decides: those shown are from the time when this version last decided.`,
  );
}
