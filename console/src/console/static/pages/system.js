/** The System page: health of every part, running versions, decision log, traffic, and the requests of this page. */

import { ask, askText, frontDoor, Problem, recentCalls } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { badge, copyButton, heading, versionLink } from "../shared/parts.js";
import { section, show } from "../shared/states.js";
import { facts, table } from "../shared/table.js";
import { trafficPart } from "./system/traffic.js";

/** @typedef {import("../shared/operations.js").OperationName} OperationName */

const EVERY_MS = 5000;

/** @param {import("../shared/router.js").Route} _ @param {AbortSignal} signal */
export function page(_, signal) {
  const calls = el("div");
  const refresh = () => void show(calls, signal, async () => callTable());
  const timers = [setTimeout(refresh, 1000), setInterval(refresh, EVERY_MS)];
  signal.addEventListener("abort", () => timers.forEach(clearInterval));
  return {
    title: "System",
    content: [
      heading("System", "Requests go to ", el("code", {}, frontDoor)),
      el(
        "div",
        { class: "columns thirds" },
        section("Health", signal, () => health(signal)),
        section("What runs", signal, () => versions(signal)),
        section("Decision log", signal, () => log(signal)),
      ),
      section("Traffic", signal, async () => trafficPart(signal, EVERY_MS)),
      section("Calls of this page", signal, async () => calls, {
        lead: "Each answer has a request id. The log lines of all services that handled the request contain it.",
      }),
    ],
  };
}

/** @type {[string, OperationName][]} */
const PARTS = [
  ["Front door", "frontReady"],
  ["Feature service", "featuresReady"],
  ["Prediction service", "predictionsReady"],
  ["Decision log", "checkpoint"],
];

/** @param {AbortSignal} signal */
async function health(signal) {
  const states = await Promise.all(PARTS.map(([, operation]) => stateOf(operation, signal)));
  return table(
    "Health of every part",
    ["Part", "State", "Why"],
    PARTS.map(([name], index) => [name, ...states[index]]),
  );
}

/** @param {OperationName} operation @param {AbortSignal} signal */
async function stateOf(operation, signal) {
  try {
    await askText(operation, { signal });
    return [badge("good", "✓ ready"), ""];
  } catch (reason) {
    if (!(reason instanceof Problem)) throw reason;
    if (reason.is("not-found"))
      return [badge("plain", "not reachable from here"), "Open the console at the front door to see it."];
    if (reason.is("decision-log-off")) return [badge("plain", "off"), reason.message];
    return [badge("bad", "✕ not ready"), [reason.message, " ", el("code", {}, reason.requestId)]];
  }
}

/** @param {AbortSignal} signal */
async function versions(signal) {
  const [models, set, ready] = await Promise.allSettled([
    ask("models", { signal }),
    ask("definitions", { signal }),
    ask("predictionsReady", { signal }),
  ]);
  const value = (
    /** @type {PromiseSettledResult<any>} */ settled,
    /** @type {(value: any) => import("../shared/dom.js").Child} */ write,
  ) =>
    settled.status === "fulfilled"
      ? write(settled.value)
      : el("span", { class: "muted" }, `not known: ${settled.reason.message}`);
  return facts([
    ["Champion", value(models, (found) => (found.champion ? versionLink(found.champion) : "none"))],
    ["Challenger", value(models, (found) => (found.challenger ? versionLink(found.challenger) : "none"))],
    ["Feature set", value(set, (found) => `${found.name}, version ${found.version}`)],
    ["Policy", value(ready, (found) => found.policy)],
    ["Decisions are recorded", value(ready, (found) => found.decision_log)],
  ]);
}

/** @param {AbortSignal} signal */
async function log(signal) {
  const checkpoint = await askText("checkpoint", { signal });
  const [origin, size, root] = checkpoint.split("\n");
  return [
    facts([
      ["Origin", origin],
      ["Records", size],
      ["Root", el("code", {}, root)],
      ["Signatures", checkpoint.split("\n").filter((line) => line.startsWith("— ")).length],
    ]),
    el(
      "div",
      { class: "actions" },
      copyButton(checkpoint, "Copy the checkpoint"),
      el("span", { class: "muted" }, "Keep a copy elsewhere: a log that is forked later does not match it."),
    ),
  ];
}

function callTable() {
  const rows = recentCalls()
    .slice(0, 15)
    .map((call) => [
      el("code", {}, call.id),
      `${call.method} ${call.address}`,
      call.status || "no answer",
      `${call.milliseconds} ms`,
      copyButton(traceOf(call), `Copy the trace of ${call.id}`),
    ]);
  return table(
    "The last calls, newest first",
    ["Request id", "Request", { title: "Status", number: true }, { title: "Took", number: true }, "Trace"],
    rows,
  );
}

/** A text with which a person finds the log lines of a request. @param {import("../shared/api.js").Call} call */
function traceOf(call) {
  return `request_id ${call.id}\n${call.at} ${call.method} ${call.address} -> ${call.status} in ${call.milliseconds} ms\nlog lines: docker compose logs | grep ${call.id}   or   grep ${call.id} .data/stack.log\n`;
}
