/** The frame around the pages: shows the page of the address, and marks it in the navigation. */

import { el, fill } from "./shared/dom.js";
import { keyPage, openKeyDialog } from "./shared/key.js";
import { link, parse } from "./shared/router.js";
import { failed } from "./shared/states.js";

/** @typedef {import("./shared/router.js").Route} Route */
/** @typedef {{title: string, content: import("./shared/dom.js").Child}} Page */
/** @typedef {{page: (route: Route, signal: AbortSignal) => Page}} PageModule */

/** @type {Record<string, {title: string, load: () => Promise<PageModule>}>} */
const PAGES = {
  clients: { title: "Client", load: () => import("./pages/clients.js") },
  decisions: { title: "Decisions", load: () => import("./pages/decisions.js") },
  models: { title: "Models", load: () => import("./pages/models.js") },
  monitoring: { title: "Monitoring", load: () => import("./pages/monitoring.js") },
  features: { title: "Features", load: () => import("./pages/features.js") },
  system: { title: "System", load: () => import("./pages/system.js") },
};

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
let shown = new AbortController();
let first = true;

/** Show the page of the address. Aborts the requests of the page before. */
async function render() {
  shown.abort();
  shown = new AbortController();
  const { signal } = shown;
  const route = parse(location.hash || link(["clients"]));
  const place = PAGES[route.page];
  markPlace(route.page);
  try {
    if (!place) return appear({ title: "No such page", content: nowhere() });
    const module = await place.load();
    if (!signal.aborted) appear(module.page(route, signal));
  } catch (reason) {
    if (!signal.aborted) appear({ title: place?.title ?? "", content: [heading(place?.title ?? ""), failed(reason)] });
  }
}

/** @param {Page} page */
function appear(page) {
  document.title = `${page.title} · Credit risk`;
  fill(main, page.content);
  main.dataset.shown = location.hash;
  // After a link, focus the heading, so that a screen reader reads it. At the start the address bar keeps the focus.
  if (!first) main.querySelector("h1")?.focus();
  first = false;
  if (!parse(location.hash).query.size) window.scrollTo(0, 0);
}

/** @param {string} page */
function markPlace(page) {
  for (const item of document.querySelectorAll("#places a")) {
    if (item.getAttribute("href") === link([page])) {
      item.setAttribute("aria-current", "page");
      item.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else item.removeAttribute("aria-current");
  }
}

/** @param {string} text */
function heading(text) {
  return el("h1", { tabindex: "-1" }, text);
}

function nowhere() {
  return [
    heading("No such page"),
    el("p", {}, "The console has no page at this address. "),
    el("a", { href: link(["clients"]) }, "Look up a client"),
  ];
}

const again = () => void render();
window.addEventListener("hashchange", again);
window.addEventListener("key-needed", () => {
  shown.abort();
  appear({ title: "API key", content: keyPage(again) });
});
window.addEventListener("key-wanted", () => openKeyDialog(again));
document.getElementById("key")?.addEventListener("click", () => openKeyDialog(again));
document.getElementById("skip")?.addEventListener("click", (event) => {
  event.preventDefault(); // the part after # is the address of the page and must not change
  main.focus();
});
again();
