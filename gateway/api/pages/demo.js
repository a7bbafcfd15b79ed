// The demo panel: buttons that press simulated devices. Only there when the gateway runs as a simulation.

import { h } from "./dom.js";
import { get, post } from "./server.js";
import { t } from "./words.js";

export class Demo {
  constructor(report) {
    this.report = report;
    this.buttons = h("div", { class: "demo-buttons" });
    this.element = h("details", { class: "demo", open: true }, h("summary", {}, t("demo.title")), h("p", { class: "hint" }, t("demo.more")), this.buttons);
    get("/api/v1/sim/buttons").then(({ entries }) => this.#fill(entries), () => this.element.remove());
  }

  #fill(entries) {
    this.buttons.replaceChildren(...entries.map((entry) => h("button", { type: "button", class: "press", onclick: (event) => this.#press(entry, event.currentTarget) },
      h("span", { class: "press-dot", "aria-hidden": "true" }), h("span", {}, entry.label ?? entry.device), h("small", {}, entry.protocol))));
  }

  async #press(entry, button) {
    button.disabled = true;
    try {
      await post("/api/v1/sim/press", { device: entry.device });
    } catch (problem) {
      this.report(problem);
    }
    window.setTimeout(() => { button.disabled = false; }, 600);
  }
}
