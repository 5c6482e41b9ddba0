/** Charts of one probability: compared with the threshold, and its place in the population. */

import { count, percent } from "../shared/format.js";
import { bar, chart, columns, line, scale, svgPath, text, ticks } from "./frame.js";

/**
 * @param {{probability: number, threshold: number, before?: number}} given `before`: a probability to compare with
 */
export function riskScale({ probability, threshold, before }) {
  const most = Math.min(1, Math.max(2 * threshold, 1.15 * probability, 1.15 * (before ?? 0)));
  const above = probability >= threshold;
  /** @type {[string, string][]} */
  const rows = [
    ["probability", percent(probability, 3)],
    ["threshold", percent(threshold, 3)],
  ];
  if (before !== undefined) rows.push(["as stored", percent(before, 3)]);
  return chart({
    title: "Probability of default against the threshold",
    says: `Probability ${percent(probability)}, threshold ${percent(threshold)}`,
    numbers: { columns: ["Figure", { title: "Value", number: true }], rows },
    draw: (width) => {
      const x = scale([0, most], [14, width - 14]);
      const anchor = x(threshold) > width - 70 ? "end" : x(threshold) < 70 ? "start" : "middle";
      return {
        height: 74,
        marks: [
          bar("track", x(0), 26, x(most) - x(0), 16),
          bar(above ? "adverse" : "favourable", x(0), 26, Math.max(2, x(probability) - x(0)), 16),
          before === undefined ? null : line("before", x(before), 23, x(before), 45),
          line("mark", x(threshold), 18, x(threshold), 48),
          text("label", { x: x(threshold), y: 12, "text-anchor": anchor }, `threshold ${percent(threshold)}`),
          columns(x, ticks(0, most, width < 420 ? 3 : 5), (value) => percent(value, 1), 48),
        ],
      };
    },
  });
}

/** @typedef {{upto: number[], clients: number[]}} Histogram */

const BINS = 36;

/**
 * The training population of the version by probability, with the place of one client in it.
 * @param {{histogram: Histogram, probability: number, threshold: number}} given
 */
export function populationChart({ histogram, probability, threshold }) {
  const bins = binned(histogram, BINS);
  const place = placeIn(histogram, probability);
  const most = Math.max(...bins.map((bin) => bin.clients));
  const low = bins[0].from;
  const high = bins[bins.length - 1].to;
  return chart({
    title: "Place in the population of the model",
    says: `${percent(place.below, 1)} of the population have a lower risk, ${percent(1 - place.atOrBelow, 1)} a higher one`,
    numbers: {
      columns: ["Probability", { title: "Clients", number: true }],
      rows: bins.map((bin) => [`${percent(bin.from)} to ${percent(bin.to)}`, count(bin.clients)]),
    },
    draw: (width) => {
      const x = scale([low, high], [6, width - 6]);
      const y = scale([0, most], [116, 28]);
      const at = x(Math.min(high, Math.max(low, probability)));
      const limit = x(Math.min(high, Math.max(low, threshold)));
      const anchor = at > width - 60 ? "end" : at < 60 ? "start" : "middle";
      const drawn = bins.map((bin) =>
        bar(
          bin.from >= threshold ? "flagged" : "passed",
          x(bin.from) + 0.5,
          y(bin.clients),
          Math.max(1, x(bin.to) - x(bin.from) - 1),
          116 - y(bin.clients),
        ),
      );
      return {
        height: 142,
        marks: [
          drawn,
          line("axis", 6, 116, width - 6, 116),
          line("mark dashed", limit, 34, limit, 116),
          svgPath("pointer", `M${at - 6} 17h12l-6 8z`),
          line("pointer-line", at, 24, at, 116),
          text("label", { x: at, y: 11, "text-anchor": anchor }, percent(probability)),
          columns(x, ticks(low, high, width < 420 ? 3 : 6), (value) => percent(value, 1), 116),
        ],
      };
    },
  });
}

/** Share of the population with a lower probability, and with a lower or equal one. @param {Histogram} histogram @param {number} probability */
export function placeIn(histogram, probability) {
  let below = 0;
  let atOrBelow = 0;
  let all = 0;
  histogram.clients.forEach((clients, index) => {
    all += clients;
    if (histogram.upto[index] < probability) below += clients;
    if (histogram.upto[index] <= probability) atOrBelow += clients;
  });
  return { below: below / all, atOrBelow: atOrBelow / all };
}

/** Bins of equal width. The last one also contains the riskiest half percent. @param {Histogram} histogram @param {number} wanted */
export function binned({ upto, clients }, wanted) {
  const all = clients.reduce((sum, each) => sum + each, 0);
  let seen = 0;
  const cut = clients.findIndex((each) => (seen += each) >= 0.995 * all);
  const low = upto[0];
  const high = upto[Math.max(cut, 0)] > low ? upto[cut] : low + 0.001;
  const width = (high - low) / wanted;
  const bins = Array.from({ length: wanted }, (_, index) => ({
    from: low + index * width,
    to: low + (index + 1) * width,
    clients: 0,
  }));
  upto.forEach(
    (value, index) =>
      (bins[Math.min(wanted - 1, Math.max(0, Math.floor((value - low) / width)))].clients += clients[index]),
  );
  return bins;
}
