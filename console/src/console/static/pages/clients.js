/** The Client page: the search by id, and the page of one client. */

import { ask } from "../shared/api.js";
import { el } from "../shared/dom.js";
import { field, heading, clientLink, instant } from "../shared/parts.js";
import { go, link } from "../shared/router.js";
import { empty, section } from "../shared/states.js";
import { table } from "../shared/table.js";
import { clientPage } from "./client/client.js";

/** @typedef {import("../shared/router.js").Route} Route */

const SHOWN = 8;
const INSTANT = "\\d{4}-\\d{2}-\\d{2}(T\\d{2}:\\d{2}(:\\d{2})?Z)?";

/** The time in ISO form. A day stands for its beginning. @param {string} text */
function instantOf(text) {
  if (text.length === 10) return `${text}T00:00:00Z`;
  return text.length === 17 ? text.replace("Z", ":00Z") : text;
}

/** @param {Route} route @param {AbortSignal} signal */
export function page(route, signal) {
  const [id] = route.parts;
  const asOf = route.query.get("as_of");
  if (id) return { title: `Client ${id}`, content: [lookUp(id, asOf), clientPage(id, asOf, signal)] };
  return {
    title: "Client",
    content: [
      heading("Look up a client", "The values of a client, its probability of default, and the reasons."),
      lookUp("", asOf),
      someClients(route, signal),
    ],
  };
}

/** @param {string} id @param {string | null} asOf */
function lookUp(id, asOf) {
  const client = el("input", {
    id: "client-id",
    inputmode: "numeric",
    pattern: "[1-9][0-9]{0,18}",
    required: true,
    value: id,
    placeholder: "5008804",
    autocomplete: "off",
    title: "An id is a number from 1 to 9223372036854775807",
  });
  const date = el("input", {
    id: "as-of",
    value: asOf ?? "",
    placeholder: "2020-06-30T00:00:00Z",
    pattern: INSTANT,
    autocomplete: "off",
    title: "A day, or a day and a time, such as 2020-06-30 or 2020-06-30T12:00:00Z",
  });
  const form = el(
    "form",
    { class: "filters card" },
    field("Client id", client),
    field("As of, UTC; empty is now", date),
    el("button", { type: "submit" }, "Look up"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    go(link(["clients", client.value.trim()], { as_of: instantOf(date.value.trim()) }));
  });
  return form;
}

/** @param {Route} route @param {AbortSignal} signal */
function someClients(route, signal) {
  return section("Clients in the store", signal, async () => {
    const after = route.query.get("after") ?? 0;
    const { features, next_after: next } = await ask("vectors", { query: { after, limit: SHOWN }, signal });
    if (!features.length)
      return empty(
        "There are no clients yet",
        "Load raw events, or feature vectors that were computed elsewhere.",
        "make run DATA=loans.csv",
      );
    const rows = features.map((/** @type {any} */ vector) => [
      clientLink(vector.client_id),
      instant(vector.event_timestamp, true),
    ]);
    return [
      table("Clients, ordered by id", ["Client", "Last event"], rows),
      next ? el("a", { href: link(["clients"], { after: next }) }, "More clients") : null,
    ];
  });
}
