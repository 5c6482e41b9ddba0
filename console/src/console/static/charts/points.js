/** Charts of points with intervals: calibration, default rates by tenth, ratios of groups. */

import { count, fixed, percent } from "../shared/format.js";
import { chart, columns, line, rows, scale, text, ticks } from "./frame.js";
import { svg } from "../shared/dom.js";

/** @typedef {{rows: number, defaults: number, predicted: number, observed: number, observed_low: number, observed_high: number}} Tenth */

/** @param {Tenth[]} tenths */
function numbersOf(tenths) {
  return {
    columns: [
      "Tenth",
      ...["Rows", "Defaults", "Predicted", "Observed", "95 % interval"].map((title) => ({ title, number: true })),
    ],
    rows: tenths.map((tenth, index) => [
      index + 1,
      count(tenth.rows),
      count(tenth.defaults),
      percent(tenth.predicted),
      percent(tenth.observed),
      `${percent(tenth.observed_low)} to ${percent(tenth.observed_high)}`,
    ]),
  };
}

/** Observed against predicted default rate. On the diagonal they are equal. @param {Tenth[]} tenths */
export function calibrationChart(tenths) {
  const most = 1.05 * Math.max(...tenths.map((tenth) => Math.max(tenth.predicted, tenth.observed_high)));
  return chart({
    title: "Calibration: observed against predicted default rate",
    says: `Calibration of ${tenths.length} tenths; the numbers are in the table`,
    numbers: numbersOf(tenths),
    draw: (width) => {
      const x = scale([0, most], [52, width - 12]);
      const y = scale([0, most], [210, 10]);
      const marks = tenths.map((tenth) => [
        line("interval", x(tenth.predicted), y(tenth.observed_low), x(tenth.predicted), y(tenth.observed_high)),
        svg("circle", { class: "point", cx: x(tenth.predicted), cy: y(tenth.observed), r: 4 }),
      ]);
      return {
        height: 252,
        marks: [
          rows(y, ticks(0, most, 4), (value) => percent(value, 1), 52, width - 12),
          line("mark dashed", x(0), y(0), x(most), y(most)),
          marks,
          columns(x, ticks(0, most, width < 420 ? 3 : 5), (value) => percent(value, 1), 210),
          text("axis-title", { x: width - 12, y: 246, "text-anchor": "end" }, "predicted"),
        ],
      };
    },
  });
}

/** Default rate by tenth of predicted risk. @param {Tenth[]} tenths */
export function tenthsChart(tenths) {
  const most = 1.05 * Math.max(...tenths.map((tenth) => Math.max(tenth.predicted, tenth.observed_high)));
  return chart({
    title: "Default rate by tenth of predicted risk",
    says: `Observed default rates: ${tenths.map((tenth) => percent(tenth.observed, 1)).join(", ")}`,
    legend: [
      { class: "passed", text: "observed, with 95 % interval" },
      { class: "point-predicted", text: "predicted" },
    ],
    numbers: numbersOf(tenths),
    draw: (width) => {
      const step = (width - 64) / tenths.length;
      const y = scale([0, most], [210, 10]);
      const marks = tenths.map((tenth, index) => {
        const middle = 52 + (index + 0.5) * step;
        return [
          svg("rect", {
            class: "passed",
            x: middle - step * 0.32,
            y: y(tenth.observed),
            width: step * 0.64,
            height: 210 - y(tenth.observed),
            rx: 2,
          }),
          line("interval", middle, y(tenth.observed_low), middle, y(tenth.observed_high)),
          line("predicted", middle - step * 0.4, y(tenth.predicted), middle + step * 0.4, y(tenth.predicted)),
          text("tick", { x: middle, y: 227, "text-anchor": "middle" }, index + 1),
        ];
      });
      return {
        height: 252,
        marks: [
          rows(y, ticks(0, most, 4), (value) => percent(value, 1), 52, width - 12),
          marks,
          text("axis-title", { x: width - 12, y: 246, "text-anchor": "end" }, "tenth, riskiest last"),
        ],
      };
    },
  });
}

/** @typedef {{label: string, value: number, low: number | null, high: number | null}} Estimate */

/** Estimates with intervals, one per row, and a reference line. @param {{title: string, estimates: Estimate[], against: number, says: string, write?: (value: number) => string}} given */
export function intervalRows({ title, estimates, against, says, write = (value) => fixed(value, 2) }) {
  const ends = [against, ...estimates.flatMap((each) => [each.value, each.low ?? each.value, each.high ?? each.value])];
  const around = 0.08 * (Math.max(...ends) - Math.min(...ends) || 1);
  const [low, high] = [Math.min(...ends) - around, Math.max(...ends) + around];
  return chart({
    title,
    says,
    numbers: {
      columns: ["Of", ...["Value", "Low", "High"].map((name) => ({ title: name, number: true }))],
      rows: estimates.map((each) => [
        each.label,
        write(each.value),
        each.low === null ? "–" : write(each.low),
        each.high === null ? "–" : write(each.high),
      ]),
    },
    draw: (width) => {
      const x = scale([low, high], [8, width - 8]);
      const height = estimates.length * 40 + 6;
      const marks = estimates.map((each, index) => [
        text("label", { x: 0, y: index * 40 + 13 }, `${each.label}: ${write(each.value)}`),
        line("interval", x(each.low ?? each.value), index * 40 + 27, x(each.high ?? each.value), index * 40 + 27),
        svg("circle", { class: "point", cx: x(each.value), cy: index * 40 + 27, r: 5 }),
      ]);
      return {
        height: height + 22,
        marks: [
          line("mark dashed", x(against), 0, x(against), height),
          marks,
          columns(x, ticks(low, high, width < 420 ? 4 : 7), write, height),
        ],
      };
    },
  });
}
