// The door: user and password; on the first start the one-time token that the gateway printed.

import { h, setText } from "./dom.js";
import { post } from "./server.js";
import { t } from "./words.js";

export class Door {
  constructor(app, enter, language) {
    this.enter = enter;
    this.token = new URLSearchParams(location.hash.slice(1)).get("setup");
    this.fault = h("p", { class: "fault", role: "alert" });
    this.form = h("form", { class: "door-form", onsubmit: (event) => this.#submit(event) });
    this.isSetup = this.token !== null || location.hash === "#setup";
    this.#fill();
    app.replaceChildren(h("main", { class: "door" },
      h("img", { src: "/static/calm.svg", alt: "", width: 56, height: 56 }), h("h1", {}, t("door.title")), this.form, language));
    this.form.querySelector("input")?.focus();
  }

  #fill() {
    const field = (name, type, more = {}) => h("label", {}, h("span", {}, t(`door.${name}`)), h("input", { name, type, required: true, ...more }));
    const other = h("button", { type: "button", class: "quiet", onclick: () => this.#turn() }, t(this.isSetup ? "door.have_user" : "door.first_start"));
    if (this.isSetup) history.replaceState(null, "", location.pathname);  // the token stays in no history
    this.form.replaceChildren(...[
      h("h2", {}, t(this.isSetup ? "door.setup" : "door.log_in")),
      this.isSetup && h("p", { class: "hint" }, t("door.setup_more")),
      this.isSetup && field("token", "text", { autocomplete: "off", spellcheck: "false", value: this.token ?? "" }),
      field("user", "text", { autocomplete: "username", autocapitalize: "none", spellcheck: "false" }),
      field("password", "password", this.isSetup ? { autocomplete: "new-password", minlength: 12 } : { autocomplete: "current-password" }),
      this.isSetup && h("p", { class: "hint" }, t("door.password_rule")),
      this.fault, h("button", { type: "submit", class: "primary" }, t(this.isSetup ? "door.create" : "door.enter")), other,
    ].filter(Boolean));
  }

  #turn() {
    this.isSetup = !this.isSetup;
    setText(this.fault, "");
    this.#fill();
    this.form.querySelector("input").focus();
  }

  async #submit(event) {
    event.preventDefault();
    const given = Object.fromEntries(new FormData(this.form));
    const submit = this.form.querySelector("[type=submit]");
    submit.disabled = true;
    setText(this.fault, "");
    try {
      await post(this.isSetup ? "/api/v1/setup" : "/api/v1/login", given);
      await this.enter();
    } catch (problem) {
      const known = ["wrong_login", "wrong_token", "too_many", "unreachable"];
      setText(this.fault, known.includes(problem.code) ? t(`door.${problem.code}`) : [problem.message, problem.todo].join(" "));
      submit.disabled = false;
      this.form.querySelector(this.isSetup ? "input" : "[type=password]").select();
    }
  }
}
