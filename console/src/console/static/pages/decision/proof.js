/** The proof of a record: its place in the log, the checkpoint and its witnesses, and verification in this browser. */

import { askText, Problem } from "../../shared/api.js";
import { el } from "../../shared/dom.js";
import { badge, save } from "../../shared/parts.js";
import { button, reload } from "../../shared/states.js";
import { facts, more } from "../../shared/table.js";
import { checked, read } from "./tlog.js";

/** @param {string} id @param {string} record as served, byte for byte @param {AbortSignal} signal */
export async function proofPart(id, record, signal) {
  let text;
  try {
    text = await askText("proof", { path: { decision_id: id }, signal });
  } catch (reason) {
    if (!(reason instanceof Problem && reason.is("not-sequenced-yet"))) throw reason;
    return [
      el("p", {}, badge("warn", "… not in a checkpoint yet")),
      el(
        "p",
        {},
        "The record is stored. The log adds new records every second. Until then, the commitment in the caller's answer protects it.",
      ),
      button("Check again", reload),
    ];
  }
  const proof = read(text);
  const { index, checkpoint } = proof;
  return [
    el("p", {}, badge("good", "✓ sequenced"), " ", await verdict(proof, record)),
    facts([
      ["Place", `entry ${index} of the first ${checkpoint.size}`],
      ["Log", checkpoint.origin],
      ["Root of that tree", el("code", {}, checkpoint.root)],
      ["Signed by", checkpoint.signers[0] ?? "nobody"],
      [
        "Witnesses",
        checkpoint.signers.length > 1
          ? checkpoint.signers.slice(1).join(", ")
          : "none: keep a copy of a checkpoint elsewhere to detect a forked log",
      ],
    ]),
    el(
      "div",
      { class: "actions" },
      button("Download the proof", () => save(`${id}.tlog-proof`, text, "text/plain")),
    ),
    more(
      "Verify it elsewhere, offline",
      el(
        "pre",
        { class: "command", tabindex: "0" },
        `python -m decision_log verify --record ${id}.json --proof ${id}.tlog-proof --key VERIFIER_KEY`,
      ),
      el(
        "p",
        {},
        "`python -m decision_log key` prints the verifier key. This command also checks the signature, which this page does not.",
      ),
      el("pre", { tabindex: "0" }, text),
    ),
  ];
}

/** @param {import("./tlog.js").Proof} proof @param {string} record */
async function verdict(proof, record) {
  if (!crypto.subtle)
    return el("span", { class: "muted" }, "Browsers verify proofs only over HTTPS or on the machine itself.");
  return (await checked(proof, record))
    ? badge("good", "✓ record and inclusion verified in this browser")
    : badge("bad", "✕ the record or its path does not fit the checkpoint");
}
