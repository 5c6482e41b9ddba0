/** Alarms: the open ones, with buttons to close them, and the closed ones. */

import { ask } from "../../shared/api.js";
import { el, fill } from "../../shared/dom.js";
import { decimal, fixed, percent, words } from "../../shared/format.js";
import { badge, instant } from "../../shared/parts.js";
import { button, failed, reload, section } from "../../shared/states.js";
import { more, table } from "../../shared/table.js";

/** @param {{version: string | null}} shown @param {AbortSignal} signal */
export function alarmsPart({ version }, signal) {
  return section("Alarms", signal, async () => {
    const found = await ask("alarms", { signal });
    const alarms = found.alarms.filter((/** @type {any} */ alarm) => !version || alarm.model_version === version);
    const open = alarms.filter((/** @type {any} */ alarm) => alarm.state === "open");
    const closed = alarms.filter((/** @type {any} */ alarm) => alarm.state !== "open");
    return [
      open.length ? open.map(card) : el("p", {}, badge("good", "✓ no open alarm")),
      closed.length
        ? more(
            `Closed alarms (${closed.length})`,
            table("Closed alarms", ["Stream", "Opened", "Closed", "How", "By"], closed.map(closedRow)),
          )
        : null,
    ];
  });
}

/** @type {Record<string, string>} */
const KINDS = { small: "plain", moderate: "warn", large: "bad" };

/** @param {any} alarm */
function card(alarm) {
  const said = el("div", { "aria-live": "polite" });
  const close = async (/** @type {string} */ action) => {
    try {
      await ask("acknowledge", { path: { alarm_id: alarm.id }, body: { action } });
      reload();
    } catch (reason) {
      fill(said, failed(reason));
    }
  };
  const largest = alarm.largest;
  return el(
    "article",
    { class: "alarm" },
    el("h3", {}, badge(KINDS[alarm.severity] ?? "plain", `! ${alarm.severity}`), ` ${words(alarm.stream)}`),
    el(
      "p",
      {},
      "Changed since ",
      el("time", {}, alarm.since),
      "; opened ",
      instant(alarm.opened_at),
      `. Log evidence ${decimal(alarm.log_e_now, 1)}, threshold ${fixed(alarm.log_threshold, 1)}${alarm.size === null ? "" : `; size of the change ${decimal(alarm.size, 3)}`}.`,
    ),
    largest
      ? el(
          "p",
          {},
          `Largest change: bin ${largest.bin}, expected ${percent(largest.expected, 1)}, observed ${percent(largest.observed, 1)}.`,
        )
      : null,
    el(
      "div",
      { class: "actions" },
      button("Keep the reference", () => void close("keep_reference")),
      button("Adopt the data since then as the reference", () => void close("adopt_reference")),
    ),
    said,
  );
}

/** @param {any} alarm */
function closedRow(alarm) {
  const how =
    alarm.state === "superseded"
      ? "by a promotion"
      : alarm.action === "adopt_reference"
        ? "the new distribution was adopted"
        : "the reference was kept";
  return [words(alarm.stream), instant(alarm.opened_at), instant(alarm.closed_at), how, alarm.closed_by ?? "–"];
}
