/** Replay of a decision by its own model version or another one, and a new decision on the current features. */

import { ask } from "../../shared/api.js";
import { el, fill } from "../../shared/dom.js";
import { percent } from "../../shared/format.js";
import { badge, field, outcome, select } from "../../shared/parts.js";
import { go, link } from "../../shared/router.js";
import { button, failed } from "../../shared/states.js";
import { table } from "../../shared/table.js";

/** @param {any} record @param {AbortSignal} signal */
export async function againPart(record, signal) {
  const { models } = await ask("models", { signal });
  const said = el("div", { "aria-live": "polite" });
  const path = { decision_id: record.decision_id };
  /** @param {() => Promise<import("../../shared/dom.js").Child>} step */
  const attempt = async (step) => {
    try {
      fill(said, await step());
    } catch (reason) {
      fill(said, failed(reason));
    }
  };
  const others = models.filter(
    (/** @type {any} */ model) => model.version !== record.model_version && !model.unreadable,
  );
  const choice = select(
    "replay-version",
    others.map((/** @type {any} */ model) => [model.version, model.version]),
    others[0]?.version,
  );
  return [
    el("p", {}, "A replay scores the recorded values again. Nothing is recorded."),
    el(
      "div",
      { class: "actions" },
      button("Replay", () => void attempt(async () => same(await ask("replay", { path })))),
      button("Reconsider on current features", () => void attempt(() => reconsider(path))),
    ),
    others.length
      ? el(
          "div",
          { class: "filters" },
          field("Result of another version", choice),
          button(
            "Compare",
            () =>
              void attempt(async () => compared(await ask("replay", { path, query: { model_version: choice.value } }))),
          ),
        )
      : el("p", { class: "muted" }, "There is no other version to compare with."),
    said,
  ];
}

/** @param {{identical: boolean, differences: string[]}} answer */
function same(answer) {
  if (answer.identical) return el("p", {}, badge("good", "✓ identical to the bit"));
  return el("p", {}, badge("bad", "✕ differs"), ` in ${answer.differences.join(", ")}`);
}

/** @param {{recorded: any, replayed: any, differences: string[]}} answer */
function compared({ recorded, replayed, differences }) {
  const reasons = (/** @type {any} */ said) =>
    (said.reason_codes ?? []).map((/** @type {any} */ reason) => reason.code ?? reason).join(", ") || "none";
  return [
    el("p", {}, differences.length ? `Differs in ${differences.join(", ")}.` : "The results are the same."),
    table(
      "Recorded and replayed",
      ["Key", "Recorded", "Other version"],
      [
        ["Decision", outcome(recorded.decision), outcome(replayed.decision)],
        ["Probability", percent(recorded.probability, 3), percent(replayed.probability, 3)],
        ["Score", recorded.score, replayed.score],
        ["Reasons", reasons(recorded), reasons(replayed)],
      ],
    ),
  ];
}

/** @param {{decision_id: string}} path */
async function reconsider(path) {
  const { decision_id: id } = await ask("reconsider", { path });
  go(link(["decisions", id]));
  return null;
}
