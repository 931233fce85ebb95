// The texts of the page in the language that was chosen, and numbers and times as it writes them.

const LANGUAGES = ["en", "de", "fr"];
let texts = {};
let language = "en";

// Returns the language that was chosen last, else one that the browser asks for.
export function usualLanguage() {
  const stored = localStorage.getItem("language");
  const wanted = [stored, ...(navigator.languages || [])].filter(Boolean);
  return wanted.map((name) => name.slice(0, 2)).find((name) => LANGUAGES.includes(name)) || "en";
}

export async function loadLanguage(name) {
  const answer = await fetch(`/messages/${name}.json`);
  texts = await answer.json();
  language = name;
  document.documentElement.lang = name;
  for (const element of document.querySelectorAll("[data-text]")) {
    element.textContent = text(element.dataset.text);
  }
  for (const element of document.querySelectorAll("[data-label]")) {
    const label = text(element.dataset.label);
    element.setAttribute("aria-label", label);
    element.title = label;
    if ("placeholder" in element) element.placeholder = label;
  }
}

// Returns a text; {name} in it is replaced by a value.
export function text(key, values = {}) {
  const found = texts[key] ?? key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// Returns the name of a label of the model; one that has no translation is shown as it is.
export function labelText(label) {
  return texts[`label_${label}`] ?? label;
}

export function share(value, digits = 1) {
  const style = { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value);
}

export function percent(value, digits = 0) {
  return share(value / 100, digits);
}

export function number(value, digits = 3) {
  const style = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return new Intl.NumberFormat(language, style).format(value);
}

export function time(stamp) {
  const moment = new Date(stamp);
  const isToday = moment.toDateString() === new Date().toDateString();
  const style = isToday ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "short" };
  const region = language === "en" ? "en-GB" : language; // days before months, 24 hours
  return new Intl.DateTimeFormat(region, style).format(moment);
}
