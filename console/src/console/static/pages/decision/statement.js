/** The printable statement to the client. */

import { ask } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { heading, instant } from "../../shared/parts.js";
import { link } from "../../shared/router.js";
import { show } from "../../shared/states.js";

/** @param {string} id @param {AbortSignal} signal */
export function statementPage(id, signal) {
  const place = el("article", { class: "statement card" });
  void show(place, signal, async () => letter(await ask("statement", { path: { decision_id: id }, signal })));
  return [
    el(
      "div",
      { class: "no-print" },
      heading("Statement to the client"),
      el(
        "div",
        { class: "actions" },
        el("a", { href: link(["decisions", id]) }, "Back to the decision"),
        el("button", { type: "button", class: "small", onclick: () => print() }, "Print"),
      ),
    ),
    place,
  ];
}

/** @param {any} said */
function letter(said) {
  const titled = (/** @type {string} */ title, /** @type {import("../../shared/dom.js").Child} */ content) => [
    el("h3", {}, title),
    content,
  ];
  return [
    el("p", {}, said.creditor.name, el("br"), said.creditor.address),
    el("h2", {}, "Your credit decision"),
    el("p", {}, el("strong", {}, said.text)),
    el("p", {}, "Decided ", instant(said.decided_at), ". Decision id ", el("code", {}, said.decision_id), "."),
    said.reasons.length
      ? titled(
          "Principal reasons",
          el(
            "ol",
            {},
            said.reasons.map((/** @type {any} */ reason) => el("li", {}, reason.text)),
          ),
        )
      : null,
    said.explanation ? el("p", {}, said.explanation) : null,
    titled("Your score", el("p", {}, `${said.score} of 1000; 0 is the lowest risk. `, said.population?.text)),
    said.variations.length
      ? titled(
          "What would have changed the decision",
          el(
            "ul",
            {},
            said.variations.map((/** @type {any} */ variation) => el("li", {}, variation.text)),
          ),
        )
      : null,
    titled("Review by a person", el("p", {}, said.review)),
    titled("Correction", el("p", {}, said.correction)),
    said.notice ? titled("Notice", el("p", {}, said.notice)) : null,
    el("p", { class: "muted" }, el("small", {}, said.draft)),
  ];
}
