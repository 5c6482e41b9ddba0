/** Entry of the API key: a dialog to change it, and a page if the installation requires a key and none was entered. */

import { hasKey, useKey } from "./api.js";
import { el, newId } from "./dom.js";

const KEPT = "The key is kept only in the memory of this page. Reloading the page removes it.";

/** @param {() => void} done */
function keyForm(done) {
  const id = newId("key");
  const input = el("input", { id, type: "password", autocomplete: "off", spellcheck: "false", required: true });
  const form = el(
    "form",
    {},
    el("label", { for: id }, "API key"),
    input,
    el("button", { type: "submit" }, "Use this key"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    useKey(input.value);
    input.value = "";
    done();
  });
  return form;
}

/** @param {() => void} done */
export function keyPage(done) {
  return el(
    "section",
    { class: "card narrow" },
    el("h1", { tabindex: "-1" }, "An API key is needed"),
    el("p", {}, "This installation requires an API key. ", KEPT),
    keyForm(done),
    el(
      "p",
      { class: "muted" },
      "A key with the scopes features:read, predict, decisions:read and metrics:read shows every page.",
    ),
  );
}

/** Open the dialog. @param {() => void} done called after the key has changed */
export function openKeyDialog(done) {
  const title = newId("title");
  const dialog = el("dialog", { "aria-labelledby": title });
  const close = () => dialog.close();
  const forget = () => {
    useKey("");
    close();
    done();
  };
  dialog.append(
    el(
      "article",
      {},
      el("h2", { id: title }, "API key"),
      el("p", {}, hasKey() ? "A key is in use. " : "No key is in use. ", KEPT),
      keyForm(() => {
        close();
        done();
      }),
      el(
        "div",
        { class: "actions" },
        hasKey() ? el("button", { type: "button", class: "secondary", onclick: forget }, "Remove the key") : null,
        el("button", { type: "button", class: "secondary", onclick: close }, "Close"),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
