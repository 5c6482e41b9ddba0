/** The button that makes a decision: after a confirmation, the decision is recorded permanently. */

import { ask } from "../../shared/api.js";
import { el, fill, newId } from "../../shared/dom.js";
import { go, link } from "../../shared/router.js";
import { failed } from "../../shared/states.js";

/** @param {string} clientId */
export function decideButton(clientId) {
  return el(
    "div",
    { class: "actions" },
    el("button", { type: "button", id: "decide", onclick: () => confirm(clientId) }, "Decide and record"),
  );
}

/** @param {string} clientId */
function confirm(clientId) {
  const title = newId("title");
  const dialog = el("dialog", { "aria-labelledby": title });
  const said = el("div");
  const decide = el("button", { type: "button" }, "Decide");
  const cancel = el("button", { type: "button", class: "secondary", onclick: () => dialog.close() }, "Cancel");
  decide.addEventListener("click", async () => {
    decide.disabled = true;
    try {
      const { decision_id: id } = await ask("decide", { path: { client_id: clientId } });
      if (id) {
        dialog.close();
        go(link(["decisions", id]));
      } else
        fill(said, el("p", { class: "notice" }, "Decided, but not recorded: this installation has no decision log."));
    } catch (reason) {
      decide.disabled = false;
      fill(said, failed(reason));
    }
  });
  dialog.append(
    el(
      "article",
      {},
      el("h2", { id: title }, `Decide about client ${clientId}?`),
      el(
        "p",
        {},
        "The decision is recorded with its values, model and reasons before it is shown. It cannot be undone, only reviewed or reconsidered.",
      ),
      said,
      el("div", { class: "actions" }, decide, cancel),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
