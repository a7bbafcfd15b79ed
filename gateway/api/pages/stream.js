// The event stream, read with fetch: unlike EventSource it hears comments, which keep the line alive, and sees why it was
// refused. A cut stream goes on after the last id that was heard.

const SILENT_AFTER_MS = 12_000;
const GIVE_UP_AFTER_MS = 16_000;
const RETRY_MS = 2_000;

/** Whole events out of pieces of text. */
export class Events {
  constructor() {
    this.rest = "";
  }

  *feed(text) {
    const blocks = (this.rest + text.replaceAll("\r\n", "\n")).split("\n\n");
    this.rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: "message", data: [] };
      for (const line of block.split("\n")) {
        const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line);
        if (field === "id") event.id = value;
        else if (field === "event") event.name = value;
        else if (field === "data") event.data.push(value);
        else if (field === "retry" && /^\d+$/.test(value)) event.retryMs = Number(value);
      }
      yield event;
    }
  }
}

/** `on`: event(name, data), silence(seconds, 0 when it is over), refused(status). */
export class Stream {
  constructor(on) {
    this.on = on;
    this.lastId = null;
    this.retryMs = RETRY_MS;
    this.isClosed = false;
    this.heardMs = performance.now();
    this.isSilent = false;
    this.guard = window.setInterval(() => this.#check(), 1000);
    this.#run();
  }

  close() {
    this.isClosed = true;
    window.clearInterval(this.guard);
    this.abort?.abort();
  }

  async #run() {
    while (!this.isClosed) {
      await this.#follow().catch(() => null);
      // Not all consoles at once after a restart of the gateway.
      await new Promise((resume) => { window.setTimeout(resume, this.retryMs * (1 + Math.random() / 2)); });
    }
  }

  async #follow() {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.lastId !== null) headers["Last-Event-ID"] = this.lastId;
    const answer = await fetch("/api/v1/events", { headers, cache: "no-store", signal: this.abort.signal });
    if (!answer.ok) {
      if (!this.isClosed) this.on.refused(answer.status);
      return;
    }
    const events = new Events();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || this.isClosed) return;
      this.#heard();
      for (const event of events.feed(value)) this.#take(event);
    }
  }

  #take(event) {
    if (event.data.length) this.on.event(event.name, JSON.parse(event.data.join("\n")));
    if (event.id !== undefined) this.lastId = event.id;
    if (event.retryMs !== undefined) this.retryMs = event.retryMs;
  }

  #heard() {
    this.heardMs = performance.now();
    if (this.isSilent) {
      this.isSilent = false;
      this.on.silence(0);
    }
  }

  #check() {
    const silentMs = performance.now() - this.heardMs;
    if (silentMs < SILENT_AFTER_MS) return;
    this.isSilent = true;
    this.on.silence(silentMs / 1000);
    if (silentMs % GIVE_UP_AFTER_MS < 1000) this.abort?.abort();  // half open: nobody is at the other end
  }
}
