// The page: connects the history, the verdict, the picture and the keys.

import { showCamera, takePicture } from "./camera.js";
import { element, byId } from "./elements.js";
import * as history from "./history.js";
import { labelText, loadLanguage, text, usualLanguage } from "./messages.js";
import { galleryOrder, showPicture } from "./picture.js";
import * as requests from "./requests.js";
import { openSite, refreshSite, showSite, startSite } from "./site.js";
import { showAgreement, showCoverage, showFolders } from "./summary.js";
import { personOf, showFacts, showVerdict } from "./verdict.js";

let shown = null; // the entry on the page
let cell = null; // index of the selected cell
let known = null; // the state of the server
let failure = ""; // of what a person did last
let isLive = false; // whether the server answers
let acceptFrom = 0; // time from which verdicts count: a picture that has just come is not judged
const GRACE_MS = 1000;

function show(entry, selected = null) {
  shown = entry;
  cell = selected;
  showVerdict(entry);
  showPicture(entry, cell, chooseCell);
  showClasses();
  showFacts(entry);
  history.select(entry?.number ?? null);
}

function chooseCell(index) {
  show(shown, index === cell ? null : index);
}

function classesOf(entry) {
  if (!entry?.record || entry.removed) return [];
  const hasCells = Boolean(entry.record.cells?.length);
  return cell === null && hasCells ? entry.labels.filter((label) => label !== "other") : entry.labels;
}

function showClasses() {
  const labels = classesOf(shown);
  const said = shown ? personOf(shown, cell) : null;
  const hasCells = Boolean(shown?.record?.cells?.length);
  const what = cell !== null ? "target_cell" : hasCells ? "target_image_cells" : "target_image";
  byId("target").textContent = labels.length ? text(what) : "";
  byId("side").hidden = !labels.length; // nothing to judge
  const buttons = labels.map((label, index) => element("button", {
    type: "button", "aria-pressed": String(label === said), "aria-keyshortcuts": String(index + 1),
    onclick: () => judge(label === said ? null : label),
  }, element("kbd", {}, String(index + 1)), labelText(label)));
  if (said !== null) {
    buttons.push(element("button", { type: "button", "aria-keyshortcuts": "0", onclick: () => judge(null) },
      element("kbd", {}, "0"), text("withdraw")));
  }
  byId("classes").replaceChildren(...buttons);
}

async function judge(label) {
  failure = "";
  if (performance.now() < acceptFrom) return; // it was meant for the picture before
  const { number } = shown;
  const selected = cell;
  try {
    const entry = await requests.giveVerdict(number, selected, label);
    history.update(entry);
    if (shown?.number !== number) return;
    show(entry, selected);
    byId("classes").querySelector('[aria-pressed="true"]')?.focus();
    refreshState();
  } catch (error) {
    complain(error);
  }
}

function complain(error) {
  if (error.status === 401) {
    askToken();
    return;
  }
  // fetch throws a TypeError, in English, if the server does not answer
  const reason = error instanceof TypeError ? text("not_live") : error.message;
  failure = text("failed", { reason });
  showAlarm();
}

function showAlarm() {
  const lines = [failure, ...(known?.problems ?? [])].filter(Boolean);
  byId("alarm").hidden = !lines.length;
  byId("alarm").textContent = lines.join(" · ");
}

async function refreshState() {
  try {
    known = await requests.state();
    await refreshSite(refreshState);
  } catch (error) {
    if (error.status === 401) askToken();
    else showLive(false);
    return;
  }
  showState();
}

function showState() {
  if (!known) return;
  showCoverage(known.coverage);
  showAgreement(known.agreement);
  showFolders(known.folders);
  showSite();
  byId("versions").textContent = `alledge ${known.version} · ${known.bundle} · ${known.engine}.`;
  showAlarm();
  showCamera(known.camera);
}

function showLive(isOn) {
  isLive = isOn;
  byId("live").className = `live ${isOn ? "on" : "off"}`;
  byId("live-text").textContent = text(isOn ? "live" : "not_live");
}

async function onEntries(numbers) {
  if (numbers.length > 20) await history.reload();
  let newest = null;
  for (const number of numbers.slice(-20)) {
    const entry = await requests.entry(number).catch(() => null);
    if (!entry) continue;
    history.update(entry);
    if (number === shown?.number) show(entry, cell);
    else if (entry.kind === "result" && number > (shown?.number ?? 0)) newest = entry;
  }
  // a person who is judging cells is not interrupted
  if (newest && byId("follow").checked && cell === null) showUnasked(newest);
  refreshState();
}

// Shows a picture that nobody clicked. A key or click that was on its way must not judge it.
function showUnasked(entry) {
  acceptFrom = performance.now() + GRACE_MS;
  byId("classes").classList.add("waiting");
  setTimeout(() => byId("classes").classList.remove("waiting"), GRACE_MS);
  show(entry);
}

async function classifyFiles(files) {
  failure = "";
  for (const file of files) {
    try {
      if (known && file.size > known.max_bytes) {
        const limit = Math.round(known.max_bytes / 2 ** 20);
        throw new Error(text("too_large", { name: file.name, limit }));
      }
      byId("live-text").textContent = text("working", { name: file.name });
      const entry = await requests.entry(await requests.classify(file));
      history.update(entry);
      showUnasked(entry);
    } catch (error) {
      complain(error);
    }
  }
  showLive(isLive);
  refreshState();
}

function askToken() {
  if (!byId("login").open) byId("login").showModal();
}

function startLogin() {
  byId("login").addEventListener("cancel", (event) => event.preventDefault());
  byId("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      await requests.login(byId("token").value);
      byId("login").close();
      await begin();
    } catch {
      byId("login-wrong").hidden = false;
    }
  });
}

function startDropping() {
  byId("file").addEventListener("change", async (event) => {
    await classifyFiles([...event.target.files]);
    event.target.value = "";
  });
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    byId("drop").hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) byId("drop").hidden = true;
  });
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    byId("drop").hidden = true;
    classifyFiles([...event.dataTransfer.files]);
  });
}

function moveCell(step) {
  const order = galleryOrder(shown);
  if (!order.length) return;
  const place = cell === null ? (step > 0 ? -1 : order.length) : order.indexOf(cell);
  show(shown, order[(place + step + order.length) % order.length]);
  byId("gallery").querySelector('[aria-pressed="true"]')?.focus();
}

function moveEntry(step) {
  const entry = history.neighbour(step);
  if (entry) show(entry);
}

const KEYS = {
  ArrowRight: () => moveCell(1), ArrowLeft: () => moveCell(-1),
  g: () => takePicture(complain), j: () => moveEntry(1), k: () => moveEntry(-1),
  a: openSite, Escape: () => show(shown), "/": () => byId("search").focus(), "?": showHelp, 0: () => judge(null),
};

function onKey(event) {
  const isTyping = event.target.matches("input:not([type=checkbox]):not([type=file]), select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  const label = classesOf(shown)[Number(event.key) - 1];
  const action = label ? () => judge(label) : KEYS[event.key];
  if (!action || (!["/", "?", "a", "g"].includes(event.key) && !shown)) return;
  event.preventDefault();
  action();
}

function showHelp() {
  const rows = ["key_class", "key_withdraw", "key_cell", "key_entry", "key_image", "key_search", "key_site"];
  if (known?.camera) rows.push("key_grab");
  byId("keys").replaceChildren(...rows.map((key) => {
    const [keys, meaning] = text(key).split(": ");
    return element("div", {}, element("dt", {}, element("kbd", {}, keys)), element("dd", {}, meaning));
  }));
  byId("help").showModal();
}

function startSettings() {
  const theme = localStorage.getItem("theme") ?? "auto";
  const setTheme = (name) => {
    localStorage.setItem("theme", name);
    document.documentElement.dataset.theme = name;
  };
  byId("theme").value = theme;
  setTheme(theme);
  byId("theme").addEventListener("change", (event) => setTheme(event.target.value));
  byId("language").addEventListener("change", async (event) => {
    localStorage.setItem("language", event.target.value);
    await loadLanguage(event.target.value);
    showState();
    show(shown, cell);
    showLive(isLive);
  });
  byId("help-button").addEventListener("click", showHelp);
}

async function begin() {
  try {
    await history.reload();
  } catch (error) {
    complain(error);
    return;
  }
  await refreshState();
  const wanted = Number(location.hash.slice(1));
  const entry = wanted ? await requests.entry(wanted).catch(() => null) : history.newest();
  show(entry ?? null);
  requests.listen(onEntries, showLive);
}

async function start() {
  startSettings();
  const language = usualLanguage();
  byId("language").value = language;
  await loadLanguage(language);
  startLogin();
  startDropping();
  startSite(refreshState, complain);
  byId("grab").addEventListener("click", () => takePicture(complain));
  history.startHistory((entry) => show(entry));
  document.addEventListener("keydown", onKey);
  await begin();
}

start();
