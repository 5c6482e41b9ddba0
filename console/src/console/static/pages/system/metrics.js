/** Reads the request counters of the services (Prometheus text format). */

/** @typedef {{requests: number, errors: number}} Totals */
/** @typedef {{second: number, features: Totals | null, predictions: Totals | null}} Sample */
/** @typedef {{second: number, features: number | null, predictions: number | null, errors: number | null}} Rate */

const COUNTED = /^http_server_request_duration_seconds_count\{(.*)\} ([0-9.e+]+)/;

/** The number of requests that a service answered since its start, and of those with a server error. @param {string} text @returns {Totals} */
export function totals(text) {
  let requests = 0;
  let errors = 0;
  for (const line of text.split("\n")) {
    const found = COUNTED.exec(line);
    if (!found) continue;
    requests += Number(found[2]);
    if (/http_response_status_code="5/.test(found[1])) errors += Number(found[2]);
  }
  return { requests, errors };
}

/** The rates between consecutive samples; null across a restart or an outage. @param {Sample[]} samples @returns {Rate[]} */
export function rates(samples) {
  return samples.slice(1).map((now, index) => {
    const before = samples[index];
    const per = (/** @type {"features" | "predictions"} */ service, /** @type {keyof Totals} */ what) => {
      const grown = now[service] && before[service] ? now[service][what] - before[service][what] : -1;
      return grown < 0 ? null : grown / (now.second - before.second);
    };
    const errors = [per("features", "errors"), per("predictions", "errors")];
    const known = errors.filter((each) => each !== null);
    return {
      second: now.second,
      features: per("features", "requests"),
      predictions: per("predictions", "requests"),
      errors: known.length ? known.reduce((sum, each) => sum + each, 0) : null,
    };
  });
}
