/** The table of a feature as a step chart: what each range of values adds to the log-odds of default. */

import { decimal, fixed, signed } from "../shared/format.js";
import { chart, line, rows, scale, columns, svgPath, text, ticks } from "./frame.js";

/** @typedef {{name: string, edges?: number[], categories?: string[], values: number[], missing: number, missing_rule: string}} FeatureTable */

/**
 * @param {{tables: FeatureTable[], names: string[], value?: number | string | null, unit?: string}} given one table, or two to
 * compare, with their names; `value` is marked in the chart
 */
export function stepChart({ tables, names, value, unit }) {
  const [table] = tables;
  return table.categories
    ? categoryChart(tables, names)
    : numberChart(tables, names, typeof value === "number" ? value : null, unit ?? "");
}

/** @param {FeatureTable[]} tables @param {string[]} names */
function numbersOf(tables, names) {
  const kinds = tables.length > 1 ? ["Version"] : [];
  return {
    columns: ["Value", ...kinds, { title: "Log-odds", number: true }],
    rows: tables.flatMap((table, index) =>
      [...ranges(table), "missing"].map((range, cell) => [
        range,
        ...kinds.map(() => names[index]),
        signed([...table.values, table.missing][cell], 4),
      ]),
    ),
  };
}

/** @param {FeatureTable} table */
function ranges(table) {
  if (table.categories) return table.categories;
  const edges = (table.edges ?? []).map((edge) => decimal(edge, 2));
  if (!edges.length) return ["any value"];
  return [
    `up to ${edges[0]}`,
    ...edges.slice(1).map((edge, index) => `above ${edges[index]}, up to ${edge}`),
    `above ${edges[edges.length - 1]}`,
  ];
}

/** @param {string[]} names */
function legendOf(names) {
  return names.length > 1 ? names.map((name, index) => ({ class: `version-${index}`, text: name })) : undefined;
}

/** @param {FeatureTable[]} tables @param {string[]} names @param {number | null} value @param {string} unit */
function numberChart(tables, names, value, unit) {
  const edges = tables.flatMap((table) => table.edges ?? []);
  const [least, most] = edges.length ? [Math.min(...edges), Math.max(...edges)] : [0, 1];
  const around = (most - least || 1) * 0.15;
  const floor = least >= 0 ? 0 : -Infinity; // do not show negative values of a feature without negative edges
  const [low, high] = [
    Math.max(floor, Math.min(least - around, value ?? least)),
    Math.max(most + around, value ?? most),
  ];
  const [bottom, top] = extent(tables);
  return chart({
    title: `${tables[0].name}${unit ? `, ${unit}` : ""}`,
    says: `Steps of ${tables[0].name}: ${ranges(tables[0])
      .map((range, index) => `${range}: ${signed(tables[0].values[index], 2)}`)
      .join("; ")}`,
    numbers: numbersOf(tables, names),
    legend: legendOf(names),
    draw: (width) => {
      const x = scale([low, high], [46, width - 64]);
      const y = scale([bottom, top], [150, 12]);
      const drawn = tables.map((table, index) => [
        svgPath(`step version-${index}`, path(table, x, y, [low, high])),
        line(`step version-${index}`, width - 46, y(table.missing), width - 6, y(table.missing)),
      ]);
      return {
        height: 178,
        marks: [
          rows(y, ticks(bottom, top, 4), (each) => fixed(each, 1), 46, width - 4),
          line("axis", 46, y(0), width - 64, y(0)),
          value === null ? null : line("pointer-line", x(value), 12, x(value), 150),
          drawn,
          columns(x, ticks(low, high, width < 420 ? 3 : 6), (each) => decimal(each, 1), 150),
          text("tick", { x: width - 26, y: 167, "text-anchor": "middle" }, "missing"),
        ],
      };
    },
  });
}

/** @param {FeatureTable[]} tables @returns {[number, number]} */
function extent(tables) {
  const values = tables.flatMap((table) => [...table.values, table.missing, 0]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const around = Math.max(0.05, (high - low) * 0.1);
  return [low - around, high + around];
}

/** @param {FeatureTable} table @param {import("./frame.js").Scale} x @param {import("./frame.js").Scale} y @param {[number, number]} within */
function path(table, x, y, [low, high]) {
  const stops = [low, ...(table.edges ?? []), high];
  return table.values
    .map((value, index) => `${index ? "V" : `M${x(stops[0])} `}${y(value)}H${x(stops[index + 1])}`)
    .join("");
}

/** @param {FeatureTable[]} tables @param {string[]} names */
function categoryChart(tables, names) {
  const categories = [...new Set(tables.flatMap((table) => table.categories ?? [])), "missing"];
  const [bottom, top] = extent(tables);
  const valueOf = (/** @type {FeatureTable} */ table, /** @type {string} */ category) =>
    category === "missing" ? table.missing : table.values[(table.categories ?? []).indexOf(category)];
  return chart({
    title: tables[0].name,
    says: `Steps of ${tables[0].name}: ${categories.map((category) => `${category}: ${signed(valueOf(tables[0], category) ?? 0, 2)}`).join("; ")}`,
    numbers: numbersOf(tables, names),
    legend: legendOf(names),
    draw: (width) => {
      const left = Math.min(170, width * 0.4);
      const x = scale([bottom, top], [left, width - 12]);
      const drawn = categories.map((category, row) => [
        text(
          "label",
          { x: left - 8, y: row * 24 + 20, "text-anchor": "end" },
          category.length > 20 ? `${category.slice(0, 19)}…` : category,
        ),
        tables.map((table, index) => {
          const value = valueOf(table, category);
          return value === undefined
            ? null
            : line(`step version-${index}`, x(value), row * 24 + 7, x(value), row * 24 + 25);
        }),
      ]);
      const height = categories.length * 24 + 10;
      return {
        height: height + 22,
        marks: [
          line("axis", x(0), 4, x(0), height),
          drawn,
          columns(x, ticks(bottom, top, 4), (each) => fixed(each, 1), height),
        ],
      };
    },
  });
}
