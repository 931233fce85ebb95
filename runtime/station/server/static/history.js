// The list of entries, with filters and older entries.

import { element, byId } from "./elements.js";
import { labelText, share, text, time } from "./messages.js";
import { entries } from "./requests.js";
import { personOf } from "./verdict.js";

const PAGE = 50;
let rows = [];
let chosen = null;
let open = () => {};

export function startHistory(onOpen) {
  open = onOpen;
  let waiting = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(reload, 200);
  });
  byId("status").addEventListener("change", reload);
  byId("more").addEventListener("click", () => load(rows.at(-1)?.number));
}

function filters() {
  const status = byId("status").value;
  // what is no picture is shown where it is asked for
  return { limit: PAGE, search: byId("search").value.trim(), status, foreign: status ? "" : "0" };
}

export async function reload() {
  await load(null);
}

async function load(before) {
  const found = await entries({ ...filters(), before });
  rows = before ? [...rows, ...found] : found;
  byId("more").hidden = found.length < PAGE;
  show();
  return rows;
}

export const newest = () => rows.find((row) => row.kind === "result") ?? rows[0] ?? null;

// Puts a row in its place, if the filters would show it.
export function update(entry) {
  const index = rows.findIndex((row) => row.number === entry.number);
  if (index >= 0) rows[index] = entry;
  else if (isUnfiltered() && entry.status !== "foreign") rows = [entry, ...rows].sort((a, b) => b.number - a.number);
  show();
}

function isUnfiltered() {
  return !byId("search").value.trim() && !byId("status").value;
}

export function select(number) {
  chosen = number;
  show();
  const row = byId("list").querySelector('[aria-current="true"]');
  if (row) reveal(row);
}

// Scrolls the list, and never the page: on a tablet the list is below the picture.
function reveal(row) {
  const list = byId("list");
  const top = row.offsetTop - list.offsetTop;
  const bottom = top + row.offsetHeight;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (bottom > list.scrollTop + list.clientHeight) list.scrollTop = bottom - list.clientHeight;
}

// Returns the entry `step` rows below the chosen one.
export function neighbour(step) {
  const index = rows.findIndex((row) => row.number === chosen);
  return rows[Math.min(Math.max(index + step, 0), rows.length - 1)] ?? null;
}

export function show() {
  const focused = document.activeElement?.dataset?.number;
  const items = rows.map((row) => element("li", {}, rowButton(row)));
  if (!items.length) items.push(element("li", { class: "empty" }, text("no_entries")));
  byId("list").replaceChildren(...items);
  if (focused) byId("list").querySelector(`[data-number="${focused}"]`)?.focus();
}

function rowButton(row) {
  const picture = row.pictures.thumbnail && !row.removed
    ? element("img", { src: `/v1/history/${row.number}/thumbnail`, alt: "", loading: "lazy" })
    : element("span", { class: "none", "aria-hidden": "true" }, "–");
  return element("button", {
    type: "button", "data-number": row.number, "aria-current": String(row.number === chosen),
    onclick: () => open(row),
  }, picture, headline(row), element("small", {}, row.name ?? text("no_name")),
  element("small", {}, time(row.time)));
}

function headline(row) {
  const record = row.record;
  if (row.removed) return element("b", {}, text("removed"));
  if (!record) {
    const kind = row.status === "foreign" ? "plain" : "bad";
    const word = text(kind === "plain" ? "foreign" : "not_read");
    return element("b", {}, element("span", { class: `tag ${kind}` }, word));
  }
  const label = record.label === null ? text("no_label") : labelText(record.label);
  const chance = record.probability === null ? "" : ` ${share(record.probability, 0)}`;
  const line = element("b", {}, `${label}${chance} `);
  if (record.status === "review") line.append(element("span", { class: "tag" }, text("review")));
  const person = personOf(row, null);
  if (person !== null || row.verdicts.length) line.append(" ✓");
  return line;
}
