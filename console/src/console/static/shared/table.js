/** Tables that scroll sideways, and lists of names and values. */

import { el } from "./dom.js";

/** @typedef {import("./dom.js").Child} Child */
/** @typedef {{title: string, number?: boolean}} Column */

/** @param {string} caption @param {(string | Column)[]} columns @param {Child[][]} rows @param {{showCaption?: boolean, empty?: string}} [options] */
export function table(caption, columns, rows, options = {}) {
  const heads = columns.map((column) => (typeof column === "string" ? { title: column } : column));
  const body = rows.map((row) =>
    el(
      "tr",
      {},
      row.map((cell, index) => cellOf(cell, index, heads[index])),
    ),
  );
  const none = el("tr", {}, el("td", { colspan: heads.length }, options.empty ?? "Nothing."));
  return el(
    "div",
    { class: "scroll", role: "group", "aria-label": caption, tabindex: "0" },
    el(
      "table",
      {},
      el("caption", { class: options.showCaption ? "" : "hidden" }, caption),
      el(
        "thead",
        {},
        el(
          "tr",
          {},
          heads.map((head) => el("th", { scope: "col", class: head.number ? "number" : false }, head.title)),
        ),
      ),
      el("tbody", {}, rows.length ? body : none),
    ),
  );
}

/** @param {Child} cell @param {number} index @param {Column} head */
function cellOf(cell, index, head) {
  const attributes = { class: head.number ? "number" : false };
  return index === 0 ? el("th", { scope: "row", ...attributes }, cell) : el("td", attributes, cell);
}

/** @param {[string, Child][]} pairs */
export function facts(pairs) {
  return el(
    "dl",
    { class: "facts" },
    pairs.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** Additional content, which is collapsed at first. @param {string} title @param {...Child} children */
export function more(title, ...children) {
  return el("details", {}, el("summary", {}, title), children);
}
