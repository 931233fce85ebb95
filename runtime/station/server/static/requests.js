// Requests to the server of this page.

export class RequestError extends Error {
  constructor(status, message, record) {
    super(message);
    this.status = status;
    this.record = record;
  }
}

async function answerOf(answer) {
  const body = answer.status === 204 ? null : await answer.json().catch(() => null);
  if (answer.ok) return body;
  const message = [body?.error, body?.fix].filter(Boolean).join("; ") || answer.statusText;
  throw new RequestError(answer.status, message, body);
}

export async function get(path) {
  return answerOf(await fetch(path));
}

async function send(path, document) {
  const headers = { "content-type": "application/json" };
  return answerOf(await fetch(path, { method: "POST", headers, body: JSON.stringify(document) }));
}

export const state = () => get("/v1/state");
export const entry = (number) => get(`/v1/history/${number}`);
export const login = (token) => send("/v1/login", { token });

export const site = () => get("/v1/site");
export const adopt = (name) => send(`/v1/sites/${encodeURIComponent(name)}/adopt`, {});
export const revert = (name) => send(`/v1/sites/${encodeURIComponent(name)}/revert`, {});

export const camera = () => get("/v1/camera");
export const grab = () => send("/v1/camera/grab", {});

export async function entries(filters) {
  const query = new URLSearchParams(Object.entries(filters).filter(([, value]) => value));
  return (await get(`/v1/history?${query}`)).entries;
}

export function giveVerdict(number, cell, label) {
  return send(`/v1/history/${number}/verdicts`, { cell, label });
}

// Sends a picture, and returns the number of its entry. While the queue is full, it waits.
export async function classify(file) {
  const body = new FormData();
  body.append("image", file);
  for (;;) {
    const answer = await fetch("/v1/classify", { method: "POST", body });
    const place = answer.headers.get("location");
    if (place) return Number(place.split("/").pop());
    if (answer.status !== 429) await answerOf(answer);
    const seconds = Number(answer.headers.get("retry-after")) || 1;
    await new Promise((done) => setTimeout(done, seconds * 1000));
  }
}

// Calls a function with the numbers of entries that are new or got a verdict, and another one
// with whether the server answers.
export function listen(onEntries, onState) {
  const source = new EventSource("/v1/events");
  source.addEventListener("entries", (event) => onEntries(JSON.parse(event.data)));
  source.addEventListener("open", () => onState(true));
  source.addEventListener("error", () => {
    onState(false);
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(onEntries, onState), 3000);
  });
}
