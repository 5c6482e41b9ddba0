/** Addresses after the `#`, such as `#/clients/5008804?as_of=…`. They hold the page and the choices on it. */

/**
 * @typedef {object} Route
 * @property {string} page
 * @property {string[]} parts the path segments after the page, decoded
 * @property {URLSearchParams} query
 */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [page = "", ...parts] = path.split("/").filter(Boolean).map(decoded);
  return { page, parts, query: new URLSearchParams(query) };
}

/** @param {string} part */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {(string | number)[]} parts @param {Record<string, string | number | null | undefined>} [query] */
export function link(parts, query = {}) {
  const path = `#/${parts.map((part) => encodeURIComponent(part)).join("/")}`;
  const chosen = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const text = new URLSearchParams(chosen.map(([name, value]) => [name, String(value)])).toString();
  return text ? `${path}?${text}` : path;
}

/** @param {string} address made by `link` */
export function go(address) {
  if (location.hash === address) window.dispatchEvent(new HashChangeEvent("hashchange"));
  else location.hash = address;
}
