/** The states of a part without content: loading, empty, failed. */

import { advice } from "./advice.js";
import { Problem, hasKey } from "./api.js";
import { el, fill, newId } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */

const SLOW_MS = 200;

/** @param {string} text */
export function command(text) {
  return el("pre", { class: "command", tabindex: "0", role: "group", "aria-label": "Command" }, el("code", {}, text));
}

/** @param {string} title @param {Child} text @param {string} [next] a command that provides content */
export function empty(title, text, next) {
  return el(
    "div",
    { class: "empty" },
    el("p", {}, el("strong", {}, title)),
    el("p", {}, text),
    next ? command(next) : null,
  );
}

/** @param {unknown} reason */
export function failed(reason) {
  const problem = reason instanceof Problem ? reason : null;
  if (!problem) console.error(reason);
  const what = problem ? advice(problem) : { text: "The console has a defect here. Load the page again." };
  return el(
    "div",
    { class: "failed", role: "alert" },
    el("p", {}, el("strong", {}, problem ? problem.message : "This part cannot be shown")),
    problem?.detail ? el("p", {}, problem.detail) : null,
    problem?.errors.length
      ? el(
          "ul",
          {},
          problem.errors.map((error) => el("li", {}, `${error.pointer}: ${error.detail}`)),
        )
      : null,
    el("p", {}, what.text),
    what.command ? command(what.command) : null,
    problem ? el("p", { class: "request-id" }, "Request id ", el("code", {}, problem.requestId)) : null,
    el(
      "div",
      { class: "actions" },
      problem && (problem.status === 401 || problem.is("forbidden"))
        ? button("Enter another key", () => tell("key-wanted"))
        : null,
      button("Try again", reload),
    ),
  );
}

/** Ask the frame to open the key dialog, or the page for entering a key. @param {"key-wanted" | "key-needed"} event */
function tell(event) {
  window.dispatchEvent(new Event(event));
}

/** Load the current page again, with new requests. */
export function reload() {
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

/** @param {string} text @param {() => void} onclick */
export function button(text, onclick) {
  return el("button", { type: "button", class: "secondary small", onclick }, text);
}

/**
 * Show the result of `load`: "Loading…" if it takes long, and the reason if it fails. Shows nothing after `signal` is
 * aborted, because the reader has left the page.
 * @param {HTMLElement} place @param {AbortSignal} signal @param {() => Promise<Child>} load
 */
export async function show(place, signal, load) {
  place.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => fill(place, el("p", { class: "muted", role: "status" }, "Loading…")), SLOW_MS);
  try {
    const content = await load();
    if (!signal.aborted) fill(place, content);
  } catch (reason) {
    if (signal.aborted) return;
    if (reason instanceof Problem && reason.status === 401 && !hasKey()) tell("key-needed");
    else fill(place, failed(reason));
  } finally {
    clearTimeout(slow);
    place.removeAttribute("aria-busy");
  }
}

/**
 * A part of a page with a title, which loads independently: its failure does not affect other parts.
 * @param {string} title @param {AbortSignal} signal @param {() => Promise<Child>} load @param {{lead?: Child, class?: string}} [more]
 */
export function section(title, signal, load, more = {}) {
  const id = newId("section");
  const place = el("div");
  void show(place, signal, load);
  return el(
    "section",
    { class: `card ${more.class ?? ""}`, "aria-labelledby": id },
    el("h2", { id }, title),
    more.lead ? el("p", { class: "lead" }, more.lead) : null,
    place,
  );
}
