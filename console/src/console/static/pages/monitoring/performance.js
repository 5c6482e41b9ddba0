/** Performance: outcomes of decisions, with intervals, by month and in total. */

import { intervalRows } from "../../charts/points.js";
import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { count, fixed, interval, percent } from "../../shared/format.js";
import { badge } from "../../shared/parts.js";
import { section } from "../../shared/states.js";
import { facts, table } from "../../shared/table.js";
import { lackingState } from "./about.js";

/** @param {{version: string | null}} shown @param {AbortSignal} signal */
export function performancePart({ version }, signal) {
  return section("Performance", signal, async () => {
    const found = await ask("performance", { query: { by: "month", model_version: version }, signal });
    if (found.lacking && found.lacking !== "decisions") return lackingState(found.lacking);
    const lead = el(
      "p",
      {},
      `A decision counts when it is ${found.horizon_days} days old. Before that, defaults are known earlier than other outcomes, and the model would look worse than it is.`,
    );
    if (!found.total?.decisions)
      return [
        lead,
        el(
          "p",
          { class: "notice" },
          "No decision is that old yet. Outcomes can be sent from now on: POST /outcomes, or python -m decision_log import-outcomes FILE.",
        ),
      ];
    return [lead, total(found), byMonth(found.periods)];
  });
}

/** @param {any} found */
function total({ total: all, log_e: evidence, log_threshold: threshold, state }) {
  const ratio = (/** @type {number} */ value) => fixed(value, 3);
  const lowCoverage = all.coverage !== null && all.coverage < 0.95;
  return [
    all.too_few.length
      ? el(
          "p",
          { class: "notice" },
          `Too few outcomes for: ${all.too_few.join(", ")}. At least 30 defaults and 30 others are needed.`,
        )
      : null,
    facts([
      ["Decisions", count(all.decisions)],
      [
        "Outcomes",
        `${count(all.outcomes)} (${percent(all.coverage, 1)} of them)${lowCoverage ? ": too few for evidence" : ""}`,
      ],
      ["Defaults", count(all.defaults)],
      [
        "AUC",
        `${interval(all.auc, ratio)}${all.expected_auc === null ? "" : `; expected without outcomes ${ratio(all.expected_auc)}`}`,
      ],
      ["KS", all.ks ? `${ratio(all.ks.value)}; a random score has ${ratio(all.ks.useless_ks)}` : "too few"],
      ["Brier", all.brier ? `${fixed(all.brier.value, 4)} (se ${fixed(all.brier.se, 4)})` : "too few"],
      ["Observed to expected", all.observed_to_expected === null ? "too few" : fixed(all.observed_to_expected, 2)],
      ["Calibration slope", all.slope ? `${fixed(all.slope.value, 2)} (se ${fixed(all.slope.se, 2)})` : "too few"],
      [
        "Calibration",
        [
          state === "alarm" ? badge("bad", "! alarm") : badge("good", "✓ quiet"),
          evidence === null ? " no evidence yet" : ` log evidence ${fixed(evidence, 2)} of ${fixed(threshold, 2)}`,
        ],
      ],
    ]),
  ];
}

/** @param {any[]} periods */
function byMonth(periods) {
  const ranked = periods.filter((period) => period.auc);
  const ratio = (/** @type {number} */ value) => fixed(value, 3);
  const rows = periods.map((period) => [
    period.month,
    count(period.decisions),
    count(period.outcomes),
    percent(period.coverage, 1),
    count(period.defaults),
    interval(period.auc, ratio),
    period.observed_to_expected === null ? "too few" : fixed(period.observed_to_expected, 2),
  ]);
  const columns = [
    "Month",
    ...["Decisions", "Outcomes", "Coverage", "Defaults", "AUC (95 %)", "Observed to expected"].map((title) => ({
      title,
      number: true,
    })),
  ];
  return [
    ranked.length
      ? intervalRows({
          title: "AUC by month of decision, with 95 % intervals",
          says: `AUC by month: ${ranked.map((period) => `${period.month} ${ratio(period.auc.value)}`).join(", ")}; 0.5 is chance`,
          estimates: ranked.map((period) => ({ label: period.month, ...period.auc })),
          against: 0.5,
        })
      : null,
    periods.length ? table("By month of decision", columns, rows, { showCaption: true }) : null,
  ];
}
