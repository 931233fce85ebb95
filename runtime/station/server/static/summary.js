// Whether the microscope is covered, how often people agree with the machine, and how files are found.

import { byId } from "./elements.js";
import { share, text } from "./messages.js";

const COVERED = ["covered", "covered after correction"];

export function showCoverage(coverage) {
  const isCovered = coverage.adopted || COVERED.includes(coverage.verdict);
  byId("coverage").classList.toggle("unsure", !isCovered);
  const guards = coverage.guarded
    ? text("guards", { unfamiliar: coverage.unfamiliar, recent: coverage.recent })
    : text("no_guards");
  byId("coverage-text").textContent = `${coverageText(coverage)} ${guards}`;
}

function coverageText(coverage) {
  const site = { site: coverage.site };
  if (coverage.adopted) return text("adopted", site);
  if (COVERED.includes(coverage.verdict)) return text("covered", site);
  return coverage.verdict === "not covered" ? text("not_covered", site) : text("not_commissioned");
}

export function showAgreement(agreement) {
  const rates = ["images", "cells"].map((kind) => {
    const a = agreement[kind];
    if (!a.judged) return text(`${kind}_unjudged`);
    const [low, high] = a.interval;
    const values = { agreed: a.agreed, judged: a.judged, share: share(a.share, 0) };
    return text(`${kind}_agreement`, { ...values, low: share(low, 0), high: share(high, 0) });
  });
  byId("agreement").textContent = `${text("agreement")} ${rates.join(" ")} ${text("bias")}`;
}

export function showFolders(folders) {
  const lines = folders.map(({ folder, events, reason }) =>
    text(events ? "folder_events" : reason ? "folder_listed" : "folder_watched", { folder, reason }));
  byId("folders").textContent = lines.join(" ");
}
