/** The Decisions page: counts per day, and pages of records, newest first. */

import { seriesChart } from "../charts/series.js";
import { ask } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { count } from "../shared/format.js";
import {
  clientLink,
  decisionLink,
  field,
  heading,
  instant,
  outcome,
  queryForm,
  select,
  versionLink,
} from "../shared/parts.js";
import { link } from "../shared/router.js";
import { empty, section } from "../shared/states.js";
import { table } from "../shared/table.js";
import { decisionPage } from "./decision/decision.js";
import { statementPage } from "./decision/statement.js";

/** @typedef {import("../shared/router.js").Route} Route */

const PAGE = 50;

/** @param {Route} route @param {AbortSignal} signal */
export function page(route, signal) {
  const [id, part] = route.parts;
  if (id && part === "statement") return { title: `Statement ${id}`, content: statementPage(id, signal) };
  if (id) return { title: `Decision ${id}`, content: decisionPage(id, signal) };
  return {
    title: "Decisions",
    content: [
      heading("Decisions", "Every decision about a client is recorded before it is sent, and can be proved later."),
      filters(route.query),
      perDay(route.query, signal),
      list(route.query, signal),
    ],
  };
}

/** @param {URLSearchParams} query */
function filters(query) {
  const value = (/** @type {string} */ name) => query.get(name) ?? "";
  const day = (/** @type {string} */ name) =>
    el("input", {
      id: `day-${name}`,
      name,
      value: value(name),
      pattern: "\\d{4}-\\d{2}-\\d{2}",
      placeholder: "2026-12-31",
      title: "A day, such as 2026-12-31",
    });
  return queryForm(
    ["decisions"],
    [
      field(
        "Client id",
        el("input", {
          id: "of-client",
          name: "client_id",
          inputmode: "numeric",
          pattern: "[1-9][0-9]{0,18}",
          value: value("client_id"),
        }),
      ),
      field(
        "Decision",
        select(
          "decision",
          [
            ["", "any"],
            ["approve", "approve"],
            ["refer", "refer"],
            ["decline", "decline"],
          ],
          value("decision"),
        ),
      ),
      field(
        "Model version",
        el("input", { id: "of-version", name: "model_version", value: value("model_version"), maxlength: 64 }),
      ),
      field("From day, UTC", day("from")),
      field("To before day, UTC", day("to")),
    ],
    "Show",
  );
}

/** @param {URLSearchParams} query */
function period(query) {
  const at = (/** @type {string} */ name) => (query.get(name) ? `${query.get(name)}T00:00:00Z` : null);
  return { from: at("from"), to: at("to") };
}

/** @param {URLSearchParams} query @param {AbortSignal} signal */
function perDay(query, signal) {
  return section("Per day", signal, async () => {
    const { days } = await ask("counts", { query: period(query), signal });
    if (!days.length) return el("p", { class: "muted" }, "No decision in this period.");
    const byDay = summed(days);
    const seconds = byDay.map((day) => Date.parse(`${day.day}T00:00:00Z`) / 1000);
    const values = (/** @type {"approve" | "refer" | "decline"} */ name) => byDay.map((day) => day[name]);
    return seriesChart({
      title: "Decisions per day (UTC), all clients and versions",
      seconds,
      bars: true,
      write: count,
      series: [
        { name: "approve", colour: "approve", values: values("approve") },
        { name: "refer", colour: "refer", values: values("refer") },
        { name: "decline", colour: "decline", values: values("decline") },
      ],
      numbers: {
        columns: ["Day", "Model version", ...["Approve", "Refer", "Decline"].map((title) => ({ title, number: true }))],
        rows: days.map((/** @type {any} */ day) => [
          day.day,
          versionLink(day.model_version),
          count(day.approve),
          count(day.refer),
          count(day.decline),
        ]),
      },
    });
  });
}

/** @typedef {{day: string, approve: number, refer: number, decline: number}} Day */

/** Sums of all versions for consecutive days, including days without decisions. @param {Day[]} days */
function summed(days) {
  /** @type {Map<string, Day>} */
  const known = new Map();
  for (const { day, approve, refer, decline } of days) {
    const sum = known.get(day) ?? { day, approve: 0, refer: 0, decline: 0 };
    known.set(day, { day, approve: sum.approve + approve, refer: sum.refer + refer, decline: sum.decline + decline });
  }
  const sorted = [...known.keys()].sort();
  const all = [];
  for (let at = Date.parse(sorted[0]); at <= Date.parse(sorted[sorted.length - 1]); at += 86_400_000) {
    const day = new Date(at).toISOString().slice(0, 10);
    all.push(known.get(day) ?? { day, approve: 0, refer: 0, decline: 0 });
  }
  return all;
}

/** @param {URLSearchParams} query @param {AbortSignal} signal */
function list(query, signal) {
  return section("Records", signal, async () => {
    const chosen = {
      client_id: query.get("client_id"),
      decision: query.get("decision"),
      model_version: query.get("model_version"),
    };
    const { decisions, next_before: next } = await ask("decisions", {
      query: { ...chosen, ...period(query), before: query.get("before"), limit: PAGE },
      signal,
    });
    const filtered = [...query.keys()].length > 0;
    if (!decisions.length && !filtered)
      return empty(
        "There are no decisions yet",
        "A request for the risk of a client makes a decision, here or over HTTP.",
        "curl http://127.0.0.1:8000/credit_risk/client_id=5008804",
      );
    const named = Object.fromEntries([...query].filter(([name]) => name !== "before"));
    return [
      table(
        "Records, newest first",
        ["Decision", "At", "Client", "Outcome", { title: "Score", number: true }, "Model version", "Origin"],
        decisions.map(row),
        { empty: "No record matches." },
      ),
      el(
        "nav",
        { class: "actions", "aria-label": "Pages of records" },
        query.get("before")
          ? el("a", { href: link(["decisions"], named), role: "button", class: "secondary small" }, "Newest")
          : null,
        next
          ? el(
              "a",
              { href: link(["decisions"], { ...named, before: next }), role: "button", class: "secondary small" },
              `Older ${PAGE}`,
            )
          : el("span", { class: "muted" }, "These are the oldest."),
      ),
    ];
  });
}

/** @param {any} record */
function row(record) {
  return [
    decisionLink(record.decision_id),
    instant(record.decided_at),
    clientLink(record.client_id),
    [record.decision ? outcome(record.decision) : null, record.kind === "decision" ? null : ` ${record.kind}`],
    record.score ?? "–",
    versionLink(record.model_version),
    record.origin ?? "–",
  ];
}
