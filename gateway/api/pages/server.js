// Requests to the gateway, and its event stream.

let csrf = null;

/** An answer that is not 2xx, with the gateway's own words. */
export class Problem extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.code = error.code;
    this.todo = error.do;
  }
}

export function rememberCsrf(token) {
  csrf = token;
}

async function ask(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (csrf && method !== "GET") headers["X-Csrf-Token"] = csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Problem(0, { code: "unreachable", message: "", do: "" });
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, said.error ?? { code: String(answer.status), message: answer.statusText, do: "" });
  return said;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
export const put = (path, body) => ask("PUT", path, body);
export const remove = (path) => ask("DELETE", path);

const NAMES = [
  "raised", "pressed", "cancelled", "position", "cancel_claimed", "fault", "device_silent", "device_heard", "routed", "offered",
  "answered", "escalated", "fallback", "tracking", "closed", "merged", "told", "resolved", "reopened", "marked_real",
];
const SILENT_AFTER_MS = 12_000;
const REOPEN_AFTER_MS = 3_000;

/**
 * The event stream. The browser resumes it by itself after a cut; when it gives up (a refused answer), it is opened
 * again from the last id. `on` has: reset, alarm(name, alarm), gone, units, beat, silence(seconds or 0), loggedOut.
 */
export class Stream {
  constructor(on) {
    this.on = on;
    this.lastHeard = performance.now();
    this.isSilent = false;
    this.open();
    this.guard = window.setInterval(() => this.check(), 1000);
  }

  open() {
    this.source = new EventSource("/api/v1/events");
    const listen = (name, act) => this.source.addEventListener(name, (event) => {
      this.heard();
      act(JSON.parse(event.data || "{}"));
    });
    this.source.addEventListener("open", () => this.heard());
    listen("reset", (data) => this.on.reset(data));
    listen("units", (data) => this.on.units(data.units));
    listen("gone", (data) => this.on.gone(data.alarm_id));
    listen("beat", (data) => this.on.beat(data));
    listen("logged_out", () => this.on.loggedOut());
    for (const name of NAMES) listen(name, (data) => this.on.alarm(name, data));
  }

  heard() {
    this.lastHeard = performance.now();
    if (this.isSilent) {
      this.isSilent = false;
      this.on.silence(0);
    }
  }

  check() {
    const silentMs = performance.now() - this.lastHeard;
    if (silentMs >= SILENT_AFTER_MS) {
      this.isSilent = true;
      this.on.silence(silentMs / 1000);
    }
    if (this.source.readyState === EventSource.CLOSED && silentMs > REOPEN_AFTER_MS && Math.floor(silentMs / 1000) % 3 === 0) {
      this.open();
      this.on.refused();
    }
  }

  close() {
    window.clearInterval(this.guard);
    this.source.close();
  }
}
