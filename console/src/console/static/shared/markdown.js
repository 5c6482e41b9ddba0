/** Converts the Markdown of model cards to elements. Omits pictures; links stay text. */

import { el } from "./dom.js";
import { table } from "./table.js";

/** @typedef {import("./dom.js").Child} Child */

/** @param {string} text @param {number} [top] level of the highest heading on the page */
export function markdown(text, top = 3) {
  return text.split(/\n{2,}/).map((block) => blockOf(block.trim(), top));
}

/** @param {string} block @param {number} top @returns {Child} */
function blockOf(block, top) {
  const heading = /^(#{1,4}) (.*)$/.exec(block);
  if (heading) return el(/** @type {"h3"} */ (`h${Math.min(6, heading[1].length + top - 1)}`), {}, inline(heading[2]));
  if (!block || block.startsWith("![")) return null;
  const lines = block.split("\n");
  if (lines.length > 1 && /^\|[-:| ]+\|$/.test(lines[1])) return tableOf(lines);
  if (lines.every((line) => /^([-*] |  )/.test(line)))
    return el(
      "ul",
      {},
      items(lines).map((item) => el("li", {}, inline(item))),
    );
  return el("p", {}, inline(lines.join(" ")));
}

/** @param {string[]} lines */
function items(lines) {
  return lines.reduce(
    (/** @type {string[]} */ found, line) =>
      line.startsWith("  ") && found.length
        ? [...found.slice(0, -1), `${found[found.length - 1]} ${line.trim()}`]
        : [...found, line.slice(2)],
    [],
  );
}

/** @param {string[]} lines */
function tableOf([head, , ...rows]) {
  const cells = (/** @type {string} */ line) =>
    line
      .replace(/^\||\|$/g, "")
      .split(/(?<!\\)\|/)
      .map((cell) => cell.replaceAll("\\|", "|").trim());
  const columns = cells(head);
  return table(
    columns.filter(Boolean).join(", "),
    columns,
    rows.map((row) => cells(row).slice(0, columns.length).map(inline)),
  );
}

/** @param {string} text @returns {Child[]} */
function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (part.startsWith("`")) return el("code", {}, part.slice(1, -1));
    if (part.startsWith("**")) return el("strong", {}, part.slice(2, -2));
    return part;
  });
}
