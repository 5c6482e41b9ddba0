/** Fairness: each group compared with all others, with intervals. A low ratio is a reason to check, not a verdict. */

import { intervalRows } from "../../charts/points.js";
import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { count, fixed, interval } from "../../shared/format.js";
import { badge } from "../../shared/parts.js";
import { section } from "../../shared/states.js";
import { table } from "../../shared/table.js";
import { lackingState } from "./about.js";

/** @param {{days: string, version: string | null}} shown @param {AbortSignal} signal */
export function fairnessPart({ days, version }, signal) {
  return section("Fairness", signal, async () => {
    const found = await ask("fairness", { query: { days, model_version: version }, signal });
    if (found.lacking && found.lacking !== "decisions") return lackingState(found.lacking);
    if (!found.groups.length)
      return el("p", {}, "The feature set declares no protected feature, so no group is monitored.");
    const ratio = (/** @type {number} */ value) => fixed(value, 2);
    const known = found.groups.filter((/** @type {any} */ group) => group.air);
    return [
      el(
        "p",
        {},
        "The adverse impact ratio is the favourable rate of a group divided by that of the others. Four fifths is a screening rule (29 CFR 1607.4(D)), not a verdict. The standardized mean difference is positive if the scores of the group are riskier.",
      ),
      known.length
        ? intervalRows({
            title: "Adverse impact ratio, with 95 % intervals, against four fifths",
            says: known.map((/** @type {any} */ group) => `${group.group} ${ratio(group.air.value)}`).join(", "),
            estimates: known.map((/** @type {any} */ group) => ({ label: group.group, ...group.air })),
            against: 0.8,
          })
        : null,
      table(
        `Groups over the last ${days} days`,
        [
          "Group",
          "State",
          ...["Clients", "Others", "Impact ratio", "Mean difference", "Log evidence"].map((title) => ({
            title,
            number: true,
          })),
        ],
        found.groups.map((/** @type {any} */ group) => [
          group.group,
          group.state === "alarm"
            ? badge("bad", "! alarm")
            : group.too_few
              ? badge("plain", "too few")
              : badge("good", "✓ quiet"),
          count(group.clients),
          count(group.others),
          interval(group.air, ratio),
          interval(group.smd, ratio),
          group.log_e === null ? "none yet" : fixed(group.log_e, 2),
        ]),
        { showCaption: true },
      ),
      found.groups.some((/** @type {any} */ group) => group.too_few)
        ? el("p", { class: "notice" }, "Too few: no figures with fewer than 30 clients on one side.")
        : null,
    ];
  });
}
