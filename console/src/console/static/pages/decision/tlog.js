/** Proofs of a log (c2sp.org/tlog-proof@v1): parsing, verification of commitment and inclusion (RFC 9162, 2.1.3.2). */

/** @typedef {{origin: string, size: number, root: string, signers: string[]}} Checkpoint */
/** @typedef {{salt: string, index: number, path: string[], checkpoint: Checkpoint}} Proof */

const HEADER = "c2sp.org/tlog-proof@v1";

/** @param {string} text @returns {Proof} */
export function read(text) {
  const [head, ...notes] = text.split("\n\n");
  const [header, extra, index, ...path] = head.split("\n");
  if (header !== HEADER) throw new TypeError(`not a proof of the form ${HEADER}`);
  const [origin, size, root] = notes[0].split("\n");
  const signers = (notes[1] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("— "))
    .map((line) => line.split(" ")[1]);
  return {
    salt: extra.replace(/^extra /, ""),
    index: Number(index.replace(/^index /, "")),
    path: path.filter(Boolean),
    checkpoint: { origin, size: Number(size), root, signers },
  };
}

/** Whether the record and its salt give the log entry, and the entry and the path give the root of the checkpoint. @param {Proof} proof @param {string} record */
export async function checked({ salt, index, path, checkpoint }, record) {
  const key = await crypto.subtle.importKey("raw", bytes(salt), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const entry = new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(record)));
  let [node, last, hash] = [index, checkpoint.size - 1, await sha256([0], entry)];
  if (node > last) return false;
  for (const sibling of path.map(bytes)) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = await sha256([1], sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = await sha256([1], hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && base64(hash) === checkpoint.root;
}

/** @param {number} number */
function half(number) {
  return Math.floor(number / 2);
}

/** @param {number[]} prefix @param {...Uint8Array} parts */
async function sha256(prefix, ...parts) {
  return new Uint8Array(
    await crypto.subtle.digest("SHA-256", Uint8Array.from([...prefix, ...parts.flatMap((part) => [...part])])),
  );
}

/** @param {string} text */
function bytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

/** @param {Uint8Array} given */
function base64(given) {
  return btoa(String.fromCharCode(...given));
}
