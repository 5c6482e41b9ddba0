/** Stability: all streams with evidence and size of change, and the details of one. */

import { shareBars } from "../../charts/bars.js";
import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { count, decimal, fixed, percent, words } from "../../shared/format.js";
import { badge, instant, versionLink } from "../../shared/parts.js";
import { link } from "../../shared/router.js";
import { section } from "../../shared/states.js";
import { table } from "../../shared/table.js";
import { lackingState } from "./about.js";

const PERIODS = ["7", "28", "90", "365"];

/** @typedef {{days: string, version: string | null, quantity: string | null}} Shown */

/** @param {Shown} shown @param {AbortSignal} signal */
export function stabilityParts(shown, signal) {
  const { days, version, quantity: chosen } = shown;
  const over = (/** @type {string} */ period) =>
    ask("stability", { query: { days: period, model_version: version }, signal });
  const asked = over(days);
  asked.catch(() => {}); // each part shows the failure
  return [
    section("Stability", signal, async () => streams(await asked, shown)),
    section("One stream", signal, async () => {
      const found = await asked;
      if (found.lacking) return el("p", { class: "muted" }, "There is no data of a stream yet.");
      const quantity = found.quantities.find((/** @type {any} */ one) => one.name === chosen) ?? found.quantities[0];
      const others = await Promise.all(
        PERIODS.map((period) => (period === days ? found : over(period))),
      );
      return oneStream(quantity, days, others);
    }),
  ];
}

/** @param {any} found @param {Shown} shown */
function streams(found, { days, version, quantity: chosen }) {
  const promise =
    found.streams === null
      ? null
      : el(
          "p",
          {},
          `${found.streams} streams are monitored. If nothing changes, at most ${found.alpha} false alarms a year are expected from all of them together, however often they are checked. A stream alarms when its log evidence reaches ${fixed(found.log_threshold, 2)} and the change is large enough to matter.`,
        );
  const told = el(
    "p",
    { class: "muted" },
    "Version ",
    versionLink(found.model_version),
    ", counted ",
    instant(found.folded_at, true),
    ".",
  );
  if (found.lacking && found.lacking !== "decisions") return [promise, lackingState(found.lacking)];
  const rows = found.quantities.map((/** @type {any} */ one) => [
    el(
      "a",
      {
        href: link(["monitoring"], { days, model_version: version, quantity: one.name }),
        "aria-current": one.name === chosen ? "true" : false,
      },
      words(one.name),
    ),
    state(one),
    count(one.clients),
    one.psi === null ? "too few" : fixed(one.psi, 4),
    one.noise === null ? "–" : fixed(one.noise, 4),
    one.critical_95 === null ? "–" : fixed(one.critical_95, 4),
    one.log_e === null ? "none yet" : fixed(one.log_e, 2),
  ]);
  const columns = [
    "Stream",
    "State",
    ...["Clients", "PSI", "PSI by chance", "95 % limit by chance", "Log evidence"].map((title) => ({
      title,
      number: true,
    })),
  ];
  return [
    promise,
    found.lacking ? lackingState(found.lacking) : null,
    table(`Streams over the last ${days} days`, columns, rows, { showCaption: true }),
    told,
  ];
}

/** @param {any} quantity */
function state(quantity) {
  if (quantity.state === "alarm") return badge("bad", "! alarm");
  return quantity.too_few ? badge("plain", "too few") : badge("good", "✓ quiet");
}

/** @param {any} quantity @param {string} days @param {any[]} others */
function oneStream(quantity, days, others) {
  const overTime = others.map((found, index) => {
    const one = found.quantities.find((/** @type {any} */ each) => each.name === quantity.name);
    return [
      `${PERIODS[index]} days`,
      count(one?.clients),
      one?.psi === null || !one ? "too few" : fixed(one.psi, 4),
      one?.critical_95 ? fixed(one.critical_95, 4) : "–",
    ];
  });
  const few = quantity.too_few
    ? el(
        "p",
        { class: "notice" },
        `Too few clients for a PSI: ${count(quantity.clients)} of the 200 that it needs. The shares are shown nevertheless.`,
      )
    : null;
  return [
    el("h3", {}, words(quantity.name)),
    few,
    el(
      "p",
      {},
      `${count(quantity.clients)} clients in ${days} days, each counted once. Design effect ${fixed(quantity.design_effect, 2)}, because persons have several client ids. `,
      dispersion(quantity),
    ),
    shareBars({
      title: `${words(quantity.name)}: expected from training, observed in ${days} days`,
      says: `Shares by bin of ${quantity.name}, expected and observed; the numbers are in the table`,
      bins: quantity.bins.map((/** @type {any} */ bin, /** @type {number} */ index) => ({
        label: labelOf(quantity, index),
        expected: bin.expected,
        observed: bin.observed,
      })),
      names: ["expected", "observed"],
    }),
    table(
      "The change over shorter and longer periods",
      ["Period", ...["Clients", "PSI", "95 % limit by chance"].map((title) => ({ title, number: true }))],
      overTime,
      { showCaption: true },
    ),
  ];
}

/** The label of a bin: its edge, for the score as a probability. @param {any} quantity @param {number} index */
function labelOf({ name, bins }, index) {
  const write = (/** @type {number} */ edge) => (name === "score" ? percent(edge) : decimal(edge, 2));
  const { bin, upto } = bins[index];
  if (upto !== null) return `≤ ${write(upto)}`;
  const before = bins[index - 1]?.upto;
  return bin.startsWith("above") && typeof before === "number" ? `> ${write(before)}` : bin;
}

/** @param {any} quantity */
function dispersion(quantity) {
  if (quantity.dispersion === null || quantity.dispersion === undefined) return null;
  const value = typeof quantity.dispersion === "number" ? quantity.dispersion : quantity.dispersion.value;
  return quantity.promise_holds === false
    ? el(
        "strong",
        {},
        `Days differ more than chance allows (dispersion ${fixed(value, 1)}), so the limit of false alarms does not hold here.`,
      )
    : `Dispersion of days ${fixed(value, 1)}.`;
}
