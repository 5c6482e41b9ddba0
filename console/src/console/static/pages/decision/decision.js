/** The page of one record: the decision with its values and reasons, proof, replay, and reviews. */

import { riskScale } from "../../charts/risk.js";
import { ask, askText, parsed } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { percent } from "../../shared/format.js";
import { featuresOf, RULES, valueOf } from "../../shared/features.js";
import {
  badge,
  clientLink,
  copyButton,
  decisionLink,
  heading,
  instant,
  outcome,
  save,
  versionLink,
} from "../../shared/parts.js";
import { link } from "../../shared/router.js";
import { button, section } from "../../shared/states.js";
import { facts, more, table } from "../../shared/table.js";
import { reasonList } from "../client/answer.js";
import { againPart } from "./again.js";
import { proofPart } from "./proof.js";
import { reviewsPart } from "./reviews.js";

/** @param {string} id @param {AbortSignal} signal */
export function decisionPage(id, signal) {
  const asked = askText("decision", { path: { decision_id: id }, signal });
  asked.catch(() => {}); // each part shows the failure
  const part = (
    /** @type {string} */ title,
    /** @type {(record: any, text: string) => import("../../shared/dom.js").Child | Promise<import("../../shared/dom.js").Child>} */ content,
  ) =>
    section(title, signal, async () => {
      const text = await asked;
      return content(parsed(text), text);
    });
  const ofDecision = (/** @type {(record: any) => any} */ content) => (/** @type {any} */ record) =>
    record.kind === "decision" ? content(record) : el("p", { class: "muted" }, "This record is not a decision.");
  return [
    heading("Decision", el("code", {}, id), " ", copyButton(id, "Copy the decision id")),
    el(
      "div",
      { class: "columns" },
      part("What was decided", (record, text) => summary(record, text, id)),
      part(
        "Why",
        ofDecision((record) => why(record, signal)),
      ),
    ),
    el(
      "div",
      { class: "columns" },
      section("Proof", signal, async () => proofPart(id, await asked, signal)),
      part(
        "Again",
        ofDecision((record) => againPart(record, signal)),
      ),
    ),
    part(
      "Reviews",
      ofDecision(() => reviewsPart(id, signal)),
    ),
  ];
}

/** @param {any} record @param {string} text @param {string} id */
function summary(record, text, id) {
  const files = el(
    "div",
    { class: "actions" },
    button("Download the record", () => save(`${id}.json`, text, "application/json")),
  );
  const whole = more("The whole record", el("pre", { tabindex: "0" }, JSON.stringify(record, null, 2)));
  if (record.kind === "erasure")
    return [
      el(
        "p",
        {},
        badge("plain", "erasure"),
        ` ${record.erased.length} records were erased `,
        instant(record.decided_at),
      ),
      files,
      whole,
    ];
  if (record.kind === "review") {
    return [
      el("p", { class: "headline" }, badge("plain", "review"), record.conclusion, outcome(record.decision)),
      facts([
        ["Of", decisionLink(record.reviews)],
        ["At", instant(record.decided_at, true)],
        ["By", record.caller ?? "no API key"],
        ["Comment", record.comment || "none"],
      ]),
      files,
      whole,
    ];
  }
  return [
    el(
      "p",
      { class: "headline" },
      outcome(record.decision),
      el("strong", {}, percent(record.probability)),
      el("span", {}, " probability of default"),
    ),
    riskScale(record),
    facts([
      ["Client", clientLink(record.client_id)],
      ["Decided", instant(record.decided_at, true)],
      ["Score", `${record.score} of 1000`],
      ["Decided by", decidedBy(record.decided_by)],
      ["Model", versionLink(record.model_version)],
      ["Policy", record.policy_version],
      ["Caller", record.caller ?? "no API key"],
      ["Origin", record.origin],
      ["Reconsiders", record.reconsiders ? decisionLink(record.reconsiders) : "no earlier decision"],
      ["Request id", el("code", {}, record.request_id)],
    ]),
    el(
      "div",
      { class: "actions" },
      el(
        "a",
        { href: link(["decisions", id, "statement"]), role: "button", class: "small", id: "statement" },
        "Statement to the client",
      ),
      files,
    ),
    whole,
  ];
}

/** @param {any} rule */
function decidedBy(rule) {
  if (rule === null || rule === undefined) return "no rule matched: the policy approves";
  return typeof rule === "string" ? rule : JSON.stringify(rule);
}

/** @param {any} record @param {AbortSignal} signal */
async function why(record, signal) {
  const features = await featuresOf(record.model_version, signal).catch(() => []); // the version may be deleted
  const named = new Map(features.map((feature) => [feature.name, feature]));
  const rows = Object.entries(record.input_variables).map(([name, value]) => [
    name,
    valueOf(value, named.get(name)),
    stateOf(record, name),
  ]);
  return [
    record.reason_codes
      ? reasonList(record.reason_codes)
      : el("p", {}, "An approval has no adverse reasons on record."),
    el("h3", {}, "Values of the decision"),
    table("Values of the decision", ["Feature", "Value as stored", "Check"], rows),
    el("p", { class: "muted" }, "Last event: ", instant(record.event_timestamp)),
  ];
}

/** @param {any} record @param {string} name */
function stateOf(record, name) {
  const rule = record.imputed?.[name]?.rule;
  const stoodIn = rule ? ` ${RULES[rule] ?? rule}` : null;
  if (record.qa_failure_cases?.includes(name)) return [badge("bad", "✕ failed"), stoodIn];
  if (record.stale?.includes(name)) return [badge("warn", "! too old"), stoodIn];
  return rule ? [badge("warn", "– missing"), stoodIn] : badge("good", "✓ ok");
}
