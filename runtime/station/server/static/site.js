// The microscope: what was checked, adopting the model from it, and the way back.

import { element, byId } from "./elements.js";
import { labelText, number, share, text } from "./messages.js";
import { adopt, revert, site } from "./requests.js";

const LOOK_MS = 500;
const RUNNING = ["reading", "fitting"];
let known = null; // the site, as the server knows it
let failure = ""; // of what a person did last
let waiting = 0; // timer of the next look

// Calls `changed` when another version of the site is in use, and `failed` without a token.
export function startSite(changed, failed) {
  byId("coverage").addEventListener("click", openSite);
  byId("adopt-open").addEventListener("click", openSite);
  byId("site-close").addEventListener("click", () => byId("site").close());
  const send = async (request) => {
    failure = "";
    try {
      known = await request(known.name ?? byId("site-name").value.trim());
      showSite();
      look(changed);
      changed();
    } catch (error) {
      if (error.status === 401) failed(error);
      failure = error instanceof TypeError ? text("not_live") : error.message;
      showSite();
    }
  };
  byId("site-form").addEventListener("submit", (event) => {
    event.preventDefault();
    send(adopt);
  });
  byId("revert").addEventListener("click", () => send(revert));
}

export function openSite() {
  if (!known) return;
  failure = "";
  showSite();
  byId("site").showModal();
}

export async function refreshSite(changed) {
  known = await site();
  showSite();
  look(changed);
}

const isRunning = () => RUNNING.includes(known.run.state);

function look(changed) {
  clearTimeout(waiting);
  if (!isRunning()) return;
  waiting = setTimeout(async () => {
    await refreshSite(changed).catch(() => look(changed));
    if (!isRunning()) changed();
  }, LOOK_MS);
}

export function showSite() {
  if (!known) return;
  const { checked, run } = known;
  const { count } = checked;
  byId("adopt-open").hidden = !count;
  byId("adopt-open").textContent = text("adopt_open", { count });
  byId("site-coverage").textContent = byId("coverage-text").textContent;
  byId("site-checked").textContent = checkedText(checked);
  byId("site-lost").textContent = checked.lost ? text("site_lost", { lost: checked.lost }) : "";
  byId("site-key").hidden = !known.needs_key;
  byId("site-form").hidden = known.needs_key;
  byId("site-name-row").hidden = known.name !== null;
  byId("site-name").disabled = known.name !== null;
  byId("adopt").textContent = text("adopt", { count });
  byId("adopt").disabled = isRunning() || count < checked.least;
  byId("revert").hidden = !known.adopted;
  byId("revert").disabled = isRunning();
  byId("site-run").hidden = !isRunning();
  byId("site-run-text").textContent = run.state === "reading" ? text("reading", run) : text("fitting");
  byId("site-progress").max = run.images || 1;
  byId("site-progress").value = run.done;
  byId("site-wrong").hidden = !(failure || run.error);
  byId("site-wrong").textContent = text("failed", { reason: failure || run.error });
  showOutcome(run.outcome);
}

function checkedText(checked) {
  const labels = Object.entries(checked.labels).map(([label, count]) => `${labelText(label)} ${count}`);
  const usable = checked.count
    ? text("site_checked", { ...checked, labels: labels.join(", ") })
    : text("site_unchecked");
  const least = { least: checked.least, images: checked.least_images };
  return checked.count < checked.least ? `${usable} ${text("site_few", least)}` : usable;
}

function showOutcome(outcome) {
  byId("site-outcome").hidden = !outcome;
  if (!outcome) return;
  const finding = text(`finding_${outcome.finding}`);
  const verdict = text(outcome.adopted ? "outcome_adopted" : "outcome_refused", { finding });
  const more = outcome.more ? text("more_cells", { more: outcome.more }) : text("no_more_cells");
  const kind = outcome.adopted ? "adopted" : "refused";
  byId("site-outcome").replaceChildren(
    element("p", { class: kind }, outcome.adopted ? verdict : `${verdict} ${more}`),
    figuresTable(outcome),
    element("p", { class: "hint" }, text("outcome_hint")),
  );
}

function figuresTable(outcome) {
  const head = ["before", "after"].map((key) => element("th", { scope: "col" }, text(key)));
  const rows = ["sensitivity", "specificity", "auc"].map((key) => element("tr", {},
    element("th", { scope: "row" }, text(key)),
    ...[outcome.before, outcome.after].map((figures) => element("td", {}, valueText(figures, key)))));
  return element("table", {}, element("thead", {}, element("tr", {}, element("td"), ...head)), element("tbody", {}, ...rows));
}

function valueText(figures, key) {
  if (key === "auc") {
    const [low, high] = figures.auc_interval.map((value) => number(value));
    return text("interval", { value: number(figures.auc), low, high });
  }
  const row = figures[key];
  return text("interval", { value: share(row.value, 0), low: share(row.low, 0), high: share(row.high, 0) });
}
