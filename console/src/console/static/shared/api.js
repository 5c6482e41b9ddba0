/** Requests to the public API at the origin of the console. The API key is kept in the memory of this module. */

import { OPERATIONS } from "./operations.js";

/** @typedef {import("./operations.js").OperationName} OperationName */
/** @typedef {{id: string, at: string, method: string, address: string, status: number, milliseconds: number}} Call */

/**
 * @typedef {object} Question
 * @property {Record<string, string | number>} [path]
 * @property {Record<string, string | number | boolean | null | undefined>} [query]
 * @property {unknown} [body]
 * @property {AbortSignal} [signal]
 */

/** A problem that the API answered with, or a failed request (status 0). */
export class Problem extends Error {
  /** @param {{type: string, title: string, status: number, detail?: string, errors?: {pointer: string, detail: string}[]}} said @param {string} requestId @param {OperationName} operation */
  constructor(said, requestId, operation) {
    super(said.title);
    this.type = said.type;
    this.status = said.status;
    this.detail = said.detail ?? null;
    this.errors = said.errors ?? [];
    this.requestId = requestId;
    this.operation = OPERATIONS[operation];
  }

  /** @param {string} name */
  is(name) {
    return this.type === `/problems/${name}`;
  }
}

const BASE = new URL("../", document.baseURI);
const MOST_CALLS = 50;

let key = "";
/** @type {Call[]} */
const calls = [];

export const frontDoor = BASE.href;

/** @param {string} given */
export function useKey(given) {
  key = given.trim();
}

export function hasKey() {
  return key !== "";
}

/** The last calls of this page, newest first. */
export function recentCalls() {
  return [...calls].reverse();
}

/** @param {OperationName} operation @param {Question} [question] @returns {Promise<any>} */
export async function ask(operation, question = {}) {
  const answer = await send(operation, question);
  return answer.status === 204 ? null : parsed(await answer.text());
}

/** The body of the answer as text, unchanged. @param {OperationName} operation @param {Question} [question] */
export async function askText(operation, question = {}) {
  const body = await (await send(operation, question)).arrayBuffer();
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(body);
}

/** Parse JSON. Integers that a number cannot hold exactly stay text: ids go up to 2^63 - 1. @param {string} text */
export function parsed(text) {
  /** @param {string} _ @param {unknown} value @param {{source?: string}} [context] */
  const exact = (_, value, context) =>
    typeof value === "number" &&
    Number.isInteger(value) &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(context?.source ?? "")
      ? context?.source
      : value;
  return JSON.parse(text, exact);
}

/** @param {OperationName} operation @param {Question} question */
async function send(operation, question) {
  const { method, address } = OPERATIONS[operation];
  const id = crypto
    .getRandomValues(new Uint32Array(4))
    .reduce((text, part) => text + part.toString(16).padStart(8, "0"), "");
  /** @type {Record<string, string>} */
  const headers = { "X-Request-ID": id };
  if (key) headers["X-API-Key"] = key;
  /** @type {RequestInit} */
  const options = { method, headers, signal: question.signal, cache: "no-store", credentials: "omit" };
  if (question.body !== undefined) {
    headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(question.body);
  }
  const started = performance.now();
  let answer;
  try {
    answer = await fetch(url(address, question), options);
  } catch (reason) {
    if (question.signal?.aborted) throw reason;
    keep(id, method, address, 0, started);
    throw new Problem(
      { type: "/problems/unreachable", title: "Nothing answers at this address", status: 0 },
      id,
      operation,
    );
  }
  keep(id, method, address, answer.status, started);
  if (!answer.ok) throw await problem(answer, id, operation);
  return answer;
}

/** @param {string} address @param {Question} question */
function url(address, question) {
  const path = address.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(String(question.path?.[name] ?? "")));
  const target = new URL(path, BASE);
  for (const [name, value] of Object.entries(question.query ?? {})) {
    if (value !== null && value !== undefined && value !== "") target.searchParams.set(name, String(value));
  }
  return target;
}

/** @param {Response} answer @param {string} id @param {OperationName} operation */
async function problem(answer, id, operation) {
  const known = answer.headers.get("X-Request-ID") ?? id;
  try {
    const said = parsed(await answer.text());
    if (typeof said.type === "string" && typeof said.title === "string") return new Problem(said, known, operation);
  } catch {
    // The body is not a problem document: another server answered.
  }
  return new Problem(
    { type: "/problems/unknown", title: `Answered with status ${answer.status}`, status: answer.status },
    known,
    operation,
  );
}

/** @param {string} id @param {string} method @param {string} address @param {number} status @param {number} started */
function keep(id, method, address, status, started) {
  const milliseconds = Math.round(performance.now() - started);
  calls.push({ id, at: new Date().toISOString(), method, address: `/${address}`, status, milliseconds });
  if (calls.length > MOST_CALLS) calls.shift();
}
