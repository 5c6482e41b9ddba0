/** Small components that several pages use: headings, badges, times, links, fields. */

import { el, newId } from "./dom.js";
import { ago, iso, shortId } from "./format.js";
import { go, link } from "./router.js";

/** @typedef {import("./dom.js").Child} Child */

/** @param {string} title @param {...Child} lead */
export function heading(title, ...lead) {
  return [el("h1", { tabindex: "-1" }, title), lead.length ? el("p", { class: "lead" }, lead) : null];
}

/** @param {string} kind good, warn, bad, plain @param {Child} text */
export function badge(kind, text) {
  return el("span", { class: `badge ${kind}` }, text);
}

/** @type {Record<string, [string, string]>} */
const OUTCOMES = { approve: ["good", "✓ approve"], refer: ["warn", "? refer"], decline: ["bad", "✕ decline"] };

/** A badge for a decision. @param {string | null | undefined} decision */
export function outcome(decision) {
  const [kind, text] = OUTCOMES[decision ?? ""] ?? ["plain", "–"];
  return badge(kind, text);
}

/** @param {string | null | undefined} at */
export function instant(at, withAge = false) {
  if (!at) return el("span", { class: "muted" }, "not known");
  return [el("time", { datetime: at }, iso(at)), withAge ? el("span", { class: "muted" }, ` ${ago(at)}`) : null];
}

/** @param {string | number | null} id */
export function clientLink(id) {
  return id === null ? "–" : el("a", { href: link(["clients", id]) }, id);
}

/** @param {string} id */
export function decisionLink(id) {
  return el("a", { href: link(["decisions", id]), title: id }, shortId(id));
}

/** @param {string | null} version */
export function versionLink(version) {
  return version === null ? "–" : el("a", { href: link(["models", version]) }, version);
}

/**
 * @param {string} label @param {HTMLElement} control @param {string} [hint]
 */
export function field(label, control, hint) {
  if (!control.id) control.id = newId("field");
  return el(
    "div",
    { class: "field" },
    el("label", { for: control.id }, label),
    control,
    hint ? el("small", {}, hint) : null,
  );
}

/** @param {string} name @param {[string, string][]} options value and text @param {string | null | undefined} chosen */
export function select(name, options, chosen) {
  return el(
    "select",
    { name, id: `choose-${name}` },
    options.map(([value, text]) => el("option", { value, selected: value === (chosen ?? "") }, text)),
  );
}

/**
 * A form that opens an address with its fields as the query.
 * @param {string[]} parts @param {HTMLElement[]} fields @param {string} submit
 */
export function queryForm(parts, fields, submit) {
  const form = el("form", { class: "filters" }, fields, el("button", { type: "submit" }, submit));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = [...new FormData(form)].map(([name, value]) => [name, String(value).trim()]);
    go(link(parts, Object.fromEntries(given)));
  });
  return form;
}

/** A button that copies a text to the clipboard. @param {string} text @param {string} label */
export function copyButton(text, label) {
  const button = el("button", { type: "button", class: "secondary small", "aria-label": label }, "Copy");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Not allowed by the browser";
    }
  });
  return button;
}

/** Save a text as a file. @param {string} name @param {string} content @param {string} type */
export function save(name, content, type) {
  const href = URL.createObjectURL(new Blob([content], { type }));
  const anchor = el("a", { href, download: name });
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}
