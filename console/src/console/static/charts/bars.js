/** Horizontal bar charts: contributions on both sides of zero, and shares of bins. */

import { percent, signed } from "../shared/format.js";
import { bar, chart, line, scale, text } from "./frame.js";

/** @typedef {import("./frame.js").Numbers} Numbers */

const ROW = 40;
const MOST = 20;

/** @typedef {{label: string, points: number}} Contribution */

/**
 * The contribution of each feature in points of score: adverse to the right, favourable to the left. At most MOST bars.
 * @param {{title: string, rows: Contribution[], numbers: Numbers}} given
 */
export function contributionBars({ title: whole, rows: all, numbers }) {
  const rows = mostOf(all);
  const others = all.length - rows.length;
  const title = others ? `${whole}: the ${MOST} largest (${others} others in the table)` : whole;
  const largest = Math.max(0.1, ...rows.map((row) => Math.abs(row.points)));
  const says = `${title}: ${rows.map((row) => `${row.label} ${signed(row.points)} points`).join("; ")}`;
  return chart({
    title,
    says,
    numbers,
    legend: [
      { class: "favourable", text: "lowers the risk" },
      { class: "adverse", text: "raises the risk" },
    ],
    draw: (width) => {
      const x = scale([-largest, largest], [52, width - 52]);
      const height = rows.length * ROW + 4;
      const marks = rows.map((row, index) => {
        const y = index * ROW;
        const end = x(row.points);
        const side = row.points < 0 ? -1 : 1;
        return [
          text("label", { x: 0, y: y + 13 }, cut(row.label, width)),
          bar(row.points < 0 ? "favourable" : "adverse", x(0), y + 19, end - x(0), 12),
          text(
            "value",
            { x: end + side * 6, y: y + 29, "text-anchor": side < 0 ? "end" : "start" },
            signed(row.points),
          ),
        ];
      });
      return { height, marks: [line("zero", x(0), 16, x(0), height), marks] };
    },
  });
}

/** The MOST largest contributions, in the given order. @param {Contribution[]} rows */
function mostOf(rows) {
  const size = (/** @type {Contribution} */ row) => Math.abs(row.points);
  const most = new Set([...rows].sort((one, other) => size(other) - size(one)).slice(0, MOST));
  return rows.filter((row) => most.has(row));
}

/**
 * Shares of bins. With two names, each bin has a bar for `expected` and one for `observed`.
 * @param {{title: string, says: string, bins: {label: string, expected: number, observed?: number | null}[], names: [string, string?]}} given
 */
export function shareBars({ title, says, bins, names }) {
  const both = names.length > 1;
  const largest = Math.max(0.01, ...bins.flatMap((bin) => [bin.expected, bin.observed ?? 0]));
  const rowHeight = both ? 34 : 24;
  return chart({
    title,
    says,
    legend: both
      ? [
          { class: "expected", text: names[0] },
          { class: "observed", text: /** @type {string} */ (names[1]) },
        ]
      : undefined,
    numbers: {
      columns: ["Bin", ...names.map((name) => ({ title: /** @type {string} */ (name), number: true }))],
      rows: bins.map((bin) => [bin.label, percent(bin.expected, 1), ...(both ? [share(bin.observed)] : [])]),
    },
    draw: (width) => {
      const left = Math.min(150, Math.max(90, width * 0.28));
      const x = scale([0, largest], [left, width - 58]);
      const marks = bins.map((bin, index) => {
        const y = index * rowHeight;
        const middle = y + rowHeight / 2;
        const observed = bin.observed ?? 0;
        return [
          text("label", { x: left - 8, y: middle + 4, "text-anchor": "end" }, cut(bin.label, left)),
          bar(
            both ? "expected" : "observed",
            left,
            both ? middle - 12 : middle - 7,
            x(bin.expected) - left,
            both ? 11 : 14,
          ),
          text("value", { x: x(bin.expected) + 6, y: both ? middle - 3 : middle + 4 }, percent(bin.expected, 1)),
          both && [
            bar("observed", left, middle + 1, x(observed) - left, 11),
            text("value", { x: x(observed) + 6, y: middle + 10 }, share(bin.observed)),
          ],
        ];
      });
      return {
        height: bins.length * rowHeight + 2,
        marks: [line("zero", left, 0, left, bins.length * rowHeight), marks],
      };
    },
  });
}

/** @param {number | null | undefined} value */
function share(value) {
  return value === null || value === undefined ? "–" : percent(value, 1);
}

/** The label, cut off at the available width. @param {string} label @param {number} width */
function cut(label, width) {
  const most = Math.floor((width - 10) / 6.6);
  return label.length > most ? `${label.slice(0, most - 1)}…` : label;
}
