// The large verdict: what the machine says, why a person must look, and what the person says.

import { element, byId } from "./elements.js";
import { labelText, percent, share, text, time } from "./messages.js";

export function kindOf(label, entry) {
  if (label === null || label === undefined) return "";
  if (label === "other") return "other";
  return entry.positive.includes(label) ? "positive" : "negative";
}

export function personOf(entry, cell) {
  return entry.verdicts.find((verdict) => verdict.cell === cell)?.label ?? null;
}

export function showVerdict(entry) {
  const place = byId("verdict");
  place.className = "verdict";
  if (!entry) {
    place.replaceChildren(element("p", { class: "empty" }, text("nothing")));
    return;
  }
  if (entry.removed || !entry.record) {
    const word = entry.removed ? "removed" : entry.status === "foreign" ? "foreign" : "not_read";
    place.classList.add(word === "not_read" ? "bad" : "none");
    place.replaceChildren(
      element("p", { class: "word" }, text(word)),
      element("p", { class: "machine" }, entry.reason ?? ""),
    );
    return;
  }
  const record = entry.record;
  const isReview = record.status === "review";
  place.classList.add(isReview ? "review" : kindOf(record.label, entry));
  const label = record.label === null ? text("no_label") : labelText(record.label);
  const parts = [element("p", { class: "word" }, isReview ? `⚠ ${text("review")}` : label)];
  if (record.probability !== null) {
    const name = entry.positive.map(labelText).join(", ");
    parts.push(
      element("p", { class: "share" }, share(record.probability),
        element("small", {}, text("probability", { label: name, threshold: share(record.threshold) }))),
    );
  }
  if (isReview) {
    parts.push(element("p", { class: "machine" }, text("machine_says", { label })));
    const reasons = record.flags.map((flag) => element("li", {}, text(`flag_${flag}`)));
    parts.push(element("ul", { class: "reasons" }, ...reasons));
  }
  if (record.counts) parts.push(element("p", { class: "counts" }, countsText(record.counts, record.cells ?? [])));
  const person = personOf(entry, null);
  if (person !== null) {
    const same = person === record.label ? "person_agrees" : "person_says";
    parts.push(element("p", { class: "persons" }, text(same, { label: labelText(person) })));
  }
  place.replaceChildren(...parts);
}

function countsText(counts, cells) {
  const values = { blasts: counts.blasts, leucocytes: counts.leucocytes };
  if (!counts.leucocytes) return text(insteadOfLeucocytes(cells));
  const [low, high] = counts.interval;
  const interval = { share: percent(counts.blast_percent), low: percent(low), high: percent(high) };
  return text("counts", { ...values, ...interval });
}

// What a field without a leucocyte has instead, as `alledge classify` says it.
function insteadOfLeucocytes(cells) {
  const smudges = cells.filter((cell) => cell.flags.includes("smudge")).length;
  if (!cells.length) return "no_leucocytes";
  if (!smudges) return "only_others";
  return smudges === cells.length ? "only_smudges" : "only_smudges_others";
}

export function showFacts(entry) {
  const rows = [];
  const add = (key, value) => {
    if (value) rows.push(element("div", {}, element("dt", {}, text(key)), element("dd", {}, String(value))));
  };
  if (entry) {
    add("entry", entry.number);
    add("image", entry.name);
    add("folder", entry.folder);
    add("taken", time(entry.time));
    if (entry.width) add("pixels", `${entry.width} × ${entry.height}`);
    add("model", entry.record?.bundle);
    add("engine", entry.versions.engine);
    add("content", entry.content?.slice(7, 19));
  }
  byId("facts").replaceChildren(...rows);
}
