/** Reviews of a decision by persons: the existing ones, and a form for a new one. */

import { ask } from "../../shared/api.js";
import { el, fill } from "../../shared/dom.js";
import { decisionLink, field, instant, outcome, select } from "../../shared/parts.js";
import { failed, reload } from "../../shared/states.js";
import { more, table } from "../../shared/table.js";

/** @param {string} id @param {AbortSignal} signal */
export async function reviewsPart(id, signal) {
  const { reviews } = await ask("reviews", { path: { decision_id: id }, signal });
  const rows = reviews.map((/** @type {any} */ review) => [
    decisionLink(review.decision_id),
    instant(review.decided_at),
    review.conclusion,
    outcome(review.decision),
    review.comment || "–",
    review.caller ?? "no API key",
  ]);
  return [
    rows.length
      ? table("Reviews", ["Record", "At", "Conclusion", "Decision", "Comment", "By"], rows)
      : el("p", {}, "Nobody has reviewed this decision."),
    more("Record a review", form(id)),
  ];
}

/** @param {string} id */
function form(id) {
  const conclusion = select(
    "conclusion",
    [
      ["upheld", "upheld"],
      ["changed", "changed"],
    ],
    "upheld",
  );
  const decision = select(
    "new-decision",
    [
      ["approve", "approve"],
      ["refer", "refer"],
      ["decline", "decline"],
    ],
    "approve",
  );
  const changed = field("New decision", decision);
  changed.hidden = true;
  conclusion.addEventListener("change", () => (changed.hidden = conclusion.value !== "changed"));
  const comment = el("textarea", { id: "review-comment", rows: 3, maxlength: 10000 });
  const said = el("div", { "aria-live": "polite" });
  const made = el(
    "form",
    {},
    field("Conclusion", conclusion),
    changed,
    field("Comment (personal data, retained like the decision)", comment),
    el("button", { type: "submit" }, "Record the review"),
    said,
  );
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const body = {
      conclusion: conclusion.value,
      comment: comment.value,
      ...(conclusion.value === "changed" ? { decision: decision.value } : {}),
    };
    try {
      await ask("review", { path: { decision_id: id }, body });
      reload();
    } catch (reason) {
      fill(said, failed(reason));
    }
  });
  return made;
}
