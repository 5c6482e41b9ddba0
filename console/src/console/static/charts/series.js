/** Time series, drawn with uPlot in the colours of the style sheet. */

import vendored from "../vendor/uplot.js";
import { el } from "../shared/dom.js";
import { figure } from "./frame.js";

/** @typedef {import("./frame.js").Numbers} Numbers */
/** @type {any} uPlot's types are not vendored */
const uPlot = vendored;

/** @typedef {{name: string, colour: string, values: (number | null)[]}} Series `colour`: name of a CSS custom property */

/** Load uPlot's style sheet, once, when the first chart needs it. */
function style() {
  if (document.getElementById("uplot-style")) return;
  document.head.append(
    el("link", {
      id: "uplot-style",
      rel: "stylesheet",
      href: new URL("../vendor/uplot.min.css", import.meta.url).href,
    }),
  );
}

/**
 * @param {object} given
 * @param {string} given.title
 * @param {number[]} given.seconds times in seconds since 1970
 * @param {Series[]} given.series
 * @param {Numbers} given.numbers
 * @param {boolean} [given.bars] stacked bars, the first series lowest
 * @param {(value: number) => string} [given.write]
 */
export function seriesChart({ title, seconds, series, numbers, bars = false, write = String }) {
  style();
  const canvas = el("div", {
    class: "canvas series",
    role: "img",
    "aria-label": `${title}; the numbers are in the table`,
  });
  /** @type {any} */
  let plot = null;
  const draw = () => {
    plot?.destroy();
    plot = new uPlot(options({ canvas, seconds, series, bars, write }), data(seconds, series, bars), canvas);
  };
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const redraw = () => (canvas.isConnected ? draw() : scheme.removeEventListener("change", redraw));
  scheme.addEventListener("change", redraw);
  new ResizeObserver(() => {
    if (!plot) draw();
    else plot.setSize({ width: Math.max(240, canvas.clientWidth), height: 220 });
  }).observe(canvas);
  const legend = series.map((one) => ({ class: `series-${one.colour}`, text: one.name }));
  return figure({ title, numbers, legend }, canvas);
}

/** The data for uPlot. Stacked bars are sums, drawn from the highest to the lowest. @param {number[]} seconds @param {Series[]} series @param {boolean} bars */
function data(seconds, series, bars) {
  if (!bars) return [seconds, ...series.map((one) => one.values)];
  const sums = series.map((_, last) =>
    seconds.map((_second, at) => series.slice(0, last + 1).reduce((sum, one) => sum + (one.values[at] ?? 0), 0)),
  );
  return [seconds, ...sums.reverse()];
}

/** @param {{canvas: HTMLElement, seconds: number[], series: Series[], bars: boolean, write: (value: number) => string}} given */
function options({ canvas, seconds, series, bars, write }) {
  const colours = getComputedStyle(canvas);
  const colour = (/** @type {string} */ name) => colours.getPropertyValue(`--${name}`).trim();
  const axis = {
    stroke: colour("muted"),
    grid: { stroke: colour("line"), width: 1 },
    ticks: { stroke: colour("line"), width: 1 },
    font: "12px system-ui, sans-serif",
  };
  const drawn = (bars ? [...series].reverse() : series).map((one) => ({
    label: one.name,
    stroke: colour(one.colour),
    fill: bars ? colour(one.colour) : undefined,
    width: bars ? 0 : 2,
    paths: bars ? uPlot.paths.bars?.({ size: [0.7, 40] }) : undefined,
    points: { show: bars ? false : undefined, size: 6 },
  }));
  return {
    width: Math.max(240, canvas.clientWidth),
    height: 220,
    legend: { show: false },
    cursor: { show: false },
    tzDate: (/** @type {number} */ second) => uPlot.tzDate(new Date(second * 1000), "Etc/UTC"),
    scales: {
      x: { range: bars ? () => wholeDays(seconds) : undefined },
      y: {
        range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ high) => [
          0,
          high > 0 ? high * 1.1 : 1,
        ],
      },
    },
    axes: [
      {
        ...axis,
        values: bars ? dayLabels : undefined,
        incrs: bars ? [1, 2, 7, 14, 28, 91, 182, 364].map((days) => days * DAY) : undefined,
        space: 70,
      },
      { ...axis, size: 56, values: (/** @type {any} */ _, /** @type {number[]} */ at) => at.map(write) },
    ],
    series: [{}, ...drawn],
  };
}

const DAY = 86_400;

/** The range of days with half a day around the bars, at least two weeks. @param {number[]} seconds @returns {[number, number]} */
function wholeDays(seconds) {
  const last = seconds[seconds.length - 1];
  return [Math.min(seconds[0], last - 13 * DAY) - DAY / 2, last + DAY / 2];
}

/** @param {any} _ @param {number[]} at times in seconds since 1970 */
function dayLabels(_, at) {
  return at.map((second) => (second % DAY === 0 ? new Date(second * 1000).toISOString().slice(5, 10) : ""));
}
