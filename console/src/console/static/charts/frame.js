/** The frame of all charts: a figure drawn at the available width, its legend, and a table with the same numbers. */

import { el, svg } from "../shared/dom.js";
import { more, table } from "../shared/table.js";

/** @typedef {import("../shared/dom.js").Child} Child */
/** @typedef {import("../shared/table.js").Column} Column */
/** @typedef {{columns: (string | Column)[], rows: Child[][]}} Numbers */
/** @typedef {{class: string, text: string}} LegendEntry */

/**
 * @typedef {object} Picture
 * @property {string} title
 * @property {string} says what the picture shows, for screen readers
 * @property {Numbers} numbers
 * @property {LegendEntry[]} [legend]
 * @property {(width: number) => {height: number, marks: Child}} draw
 */

const LEAST_WIDTH = 240;

/** @param {Picture} picture */
export function chart(picture) {
  const canvas = el("div", { class: "canvas" });
  let drawn = 0;
  new ResizeObserver(([entry]) => {
    const width = Math.max(LEAST_WIDTH, Math.floor(entry.contentRect.width));
    if (width === drawn) return;
    drawn = width;
    const { height, marks } = picture.draw(width);
    canvas.replaceChildren(
      svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": picture.says }, marks),
    );
  }).observe(canvas);
  return figure(picture, canvas);
}

/** @param {Pick<Picture, "title" | "legend" | "numbers">} about @param {HTMLElement} canvas */
export function figure(about, canvas) {
  return el(
    "figure",
    { class: "chart" },
    el("figcaption", {}, about.title),
    about.legend ? legend(about.legend) : null,
    canvas,
    more("The same numbers as a table", table(about.title, about.numbers.columns, about.numbers.rows)),
  );
}

/** @param {LegendEntry[]} entries */
function legend(entries) {
  return el(
    "ul",
    { class: "legend" },
    entries.map((entry) =>
      el(
        "li",
        {},
        svg(
          "svg",
          { class: "swatch", width: 14, height: 14, "aria-hidden": "true" },
          svg("rect", { class: entry.class, y: 2, width: 14, height: 10, rx: 2 }),
        ),
        entry.text,
      ),
    ),
  );
}

/** @typedef {(value: number) => number} Scale */

/** @param {[number, number]} domain @param {[number, number]} range @returns {Scale} */
export function scale([low, high], [from, to]) {
  const length = high - low || 1;
  return (value) => from + ((value - low) / length) * (to - from);
}

/** Round numbers within a range. @param {number} low @param {number} high @param {number} wanted approximate number of ticks */
export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  );
}

/** @param {string} kind @param {Record<string, number | string>} at @param {Child} content */
export function text(kind, at, content) {
  return svg("text", { class: kind, ...at }, content);
}

/** @param {string} kind @param {number} x1 @param {number} y1 @param {number} x2 @param {number} y2 */
export function line(kind, x1, y1, x2, y2) {
  return svg("line", { class: kind, x1, y1, x2, y2 });
}

/** @param {string} kind @param {number} x @param {number} y @param {number} width @param {number} height */
export function bar(kind, x, y, width, height) {
  return svg("rect", {
    class: kind,
    x: width < 0 ? x + width : x,
    y: height < 0 ? y + height : y,
    width: Math.abs(width),
    height: Math.abs(height),
    rx: Math.min(2, Math.abs(width) / 2, Math.abs(height) / 2),
  });
}

/** Horizontal grid lines with their values at the left. @param {Scale} y @param {number[]} at @param {(value: number) => string} write @param {number} left @param {number} right */
export function rows(y, at, write, left, right) {
  return at.map((value) => [
    line("grid", left, y(value), right, y(value)),
    text("tick", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, write(value)),
  ]);
}

/** Ticks and values below a horizontal axis. @param {Scale} x @param {number[]} at @param {(value: number) => string} write @param {number} y */
export function columns(x, at, write, y) {
  return at.map((value) => [
    line("axis", x(value), y, x(value), y + 4),
    text("tick", { x: x(value), y: y + 17, "text-anchor": "middle" }, write(value)),
  ]);
}

/** @param {string} kind @param {string} d */
export function svgPath(kind, d) {
  return svg("path", { class: kind, d });
}
