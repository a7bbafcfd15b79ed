// For whoever may not see alarms: the administrator's list of users. Alarms are for operators.

import { h, setText } from "./dom.js";
import { get, post, put, remove } from "./server.js";
import { named, t } from "./words.js";

const ROLES = ["operator", "supervisor", "case_team", "carrier", "unit", "operations", "auditor", "admin"];

export class People {
  constructor(app, me, language, leave, report) {
    this.me = me;
    this.report = report;
    this.rows = h("tbody", {});
    this.said = h("p", { class: "said", role: "status" });
    const mayEdit = me.may.includes("put_user");
    app.replaceChildren(
      h("header", { class: "bar" }, h("span", { class: "brand" }, h("img", { src: "/static/calm.svg", alt: "", width: 24, height: 24 }), me.gateway),
        h("span", { class: "space" }), language, h("span", { class: "who" }, me.name, h("small", {}, named("role", me.role))),
        h("button", { type: "button", class: "quiet", onclick: () => post("/api/v1/logout").finally(leave) }, t("door.log_out"))),
      h("main", { class: "people" }, h("h1", {}, t(mayEdit ? "people.title" : "people.nothing")), h("p", { class: "hint" }, t(mayEdit ? "people.more" : "people.nothing_more")),
        mayEdit && this.#table(), mayEdit && this.#form(), this.said));
    if (mayEdit) this.#load();
  }

  #table() {
    return h("table", {}, h("thead", {}, h("tr", {}, ["user", "role", "centre", "active"].map((key) => h("th", {}, t(`people.${key}`))), h("th", {}))), this.rows);
  }

  async #load() {
    try {
      const { entries } = await get("/api/v1/users");
      this.rows.replaceChildren(...entries.map((entry) => this.#row(entry)));
    } catch (problem) {
      this.report(problem);
    }
  }

  #row(entry) {
    const id = entry.user_id ?? entry.id;
    return h("tr", {}, h("td", {}, id), h("td", {}, named("role", entry.role)), h("td", {}, entry.centre_id ?? ""), h("td", {}, t(entry.active ? "people.yes" : "people.no")),
      h("td", {}, id !== this.me.name && h("button", { type: "button", class: "small", onclick: () => this.#act(() => remove(`/api/v1/users/${encodeURIComponent(id)}`), "people.removed") }, t("people.remove"))));
  }

  #form() {
    const field = (key, input) => h("label", {}, h("span", {}, t(`people.${key}`)), input);
    const form = h("form", { class: "people-form", onsubmit: (event) => this.#add(event) },
      h("h2", {}, t("people.add")),
      field("user", h("input", { name: "user", required: true, autocomplete: "off", maxlength: 128 })),
      field("role", h("select", { name: "role" }, ROLES.map((role) => h("option", { value: role }, named("role", role))))),
      field("centre", h("input", { name: "centre_id", value: "*", maxlength: 128, list: "centres" })),
      h("datalist", { id: "centres" }, (this.me.centres ?? []).map((one) => h("option", { value: one.id }))),
      field("password", h("input", { name: "password", type: "password", required: true, minlength: 12, autocomplete: "new-password" })),
      h("p", { class: "hint" }, t("people.centre_more")), h("button", { type: "submit", class: "primary" }, t("people.add")));
    return form;
  }

  #add(event) {
    event.preventDefault();
    const form = event.currentTarget;
    const { user, role, centre_id: centre, password } = Object.fromEntries(new FormData(form));
    const fields = { role, password, active: true };
    if (centre && ["operator", "supervisor"].includes(role)) fields.centre_id = centre;
    if (role === "case_team") fields.zone = "*";
    this.#act(() => put(`/api/v1/users/${encodeURIComponent(user)}`, fields).then(() => form.reset()), "people.added");
  }

  async #act(step, done) {
    setText(this.said, "");
    try {
      await step();
      setText(this.said, t(done));
      await this.#load();
    } catch (problem) {
      this.report(problem);
    }
  }
}
