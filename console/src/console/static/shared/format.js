/** Formats of values: numbers with units, times in ISO form with zone, unknown values as "not known". */

const counts = new Intl.NumberFormat("en");

/** @param {number | null | undefined} value */
export function count(value) {
  return known(value) ? counts.format(/** @type {number} */ (value)) : "not known";
}

/** @param {number | null | undefined} share 0 to 1 @param {number} [digits] */
export function percent(share, digits = 2) {
  return known(share) ? `${(100 * /** @type {number} */ (share)).toFixed(digits)} %` : "not known";
}

/** A number with at most `digits` digits after the point. @param {number | null | undefined} value @param {number} [digits] */
export function decimal(value, digits = 3) {
  if (!known(value)) return "not known";
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(/** @type {number} */ (value));
}

/** A number with exactly `digits` digits after the point. @param {number | null | undefined} value @param {number} [digits] */
export function fixed(value, digits = 3) {
  return known(value) ? /** @type {number} */ (value).toFixed(digits) : "not known";
}

/** @param {number} value @param {number} [digits] */
export function signed(value, digits = 1) {
  const text = Math.abs(value).toFixed(digits);
  return `${Number(text) === 0 ? "" : value > 0 ? "+" : "−"}${text}`;
}

/** @param {{value: number, low: number | null, high: number | null} | null | undefined} found @param {(value: number) => string} write */
export function interval(found, write) {
  if (!found) return "too few";
  if (found.low === null || found.high === null) return write(found.value);
  return `${write(found.value)} (${write(found.low)} to ${write(found.high)})`;
}

/** A time in ISO form with zone, to the second. @param {string | null | undefined} instant */
export function iso(instant) {
  return instant ? instant.replace(/\.\d+/, "").replace("+00:00", "Z") : "not known";
}

const UNITS = /** @type {const} */ ([
  ["year", 31557600],
  ["month", 2629800],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
]);

/** The time since an instant, in the largest unit that fits. @param {string} instant @param {number} [now] milliseconds */
export function ago(instant, now = Date.now()) {
  const seconds = (now - Date.parse(instant)) / 1000;
  if (seconds < 0) return "in the future";
  for (const [unit, length] of UNITS) {
    if (seconds >= length) {
      const whole = Math.floor(seconds / length);
      return `${whole} ${unit}${whole === 1 ? "" : "s"} ago`;
    }
  }
  return "just now";
}

/** @param {number} bytes */
export function size(bytes) {
  return bytes < 1000 ? `${bytes} B` : `${(bytes / 1000).toFixed(1)} kB`;
}

/** The end of an id, because ids differ there. @param {string} id */
export function shortId(id) {
  return id.length > 14 ? `…${id.slice(-8)}` : id;
}

/** `months_at_address` as "months at address". @param {string} name */
export function words(name) {
  return name.replaceAll("_", " ");
}

/** @param {unknown} value */
export function known(value) {
  return value !== null && value !== undefined && !Number.isNaN(value);
}
