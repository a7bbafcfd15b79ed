// The console: who is there, what is open, what can be done. Pieces: door, list, detail, map, dialogs, demo, people.

import { Demo } from "./demo.js";
import { Desk, phase, shortId } from "./desk.js";
import { Detail } from "./detail.js";
import * as dialogs from "./dialogs.js";
import { announce, h, setText } from "./dom.js";
import { Door } from "./door.js";
import { List, ownerOf } from "./list.js";
import { AlarmMap } from "./map.js";
import { People } from "./people.js";
import { Problem, get, post, rememberCsrf } from "./server.js";
import { Siren } from "./siren.js";
import { Stream } from "./stream.js";
import { LANGUAGES, chosenLanguage, clockTime, drive, loadWords, named, t } from "./words.js";

const app = document.getElementById("app");

class Console {
  constructor(me) {
    this.me = me;
    this.desk = new Desk();
    this.siren = new Siren();
    this.selectedId = null;
    this.list = new List(this.desk, (id) => this.select(id));
    this.detail = new Detail(this.desk, me, (name, more) => this.act(name, more));
    this.#frame();
    this.map = new AlarmMap(this.mapPlace, me.map, (id) => this.select(id));
    this.stream = new Stream({
      event: (name, data) => this.#heard(name, data),
      silence: (seconds) => this.#silent(seconds),
      refused: (status) => status === 401 && leave(),
    });
    this.ticker = window.setInterval(() => this.tick(), 500);
    this.onKey = (event) => this.#key(event);
    document.addEventListener("keydown", this.onKey);
  }

  // ------------------------------------------------------------------------------------------------ frame

  #frame() {
    this.clock = h("span", { class: "clock" });
    this.link = h("span", { class: "link link-up" }, t("link.up"));
    this.cut = h("div", { class: "cut", role: "alert", hidden: true });
    this.sirenBar = h("div", { class: "siren-bar" }, h("span", {}, t("siren.untested")),
      h("button", { type: "button", onclick: () => this.#testSiren() }, t("siren.test")));
    this.mapPlace = h("div", { class: "map", role: "region", "aria-label": t("map.title") });
    const demo = this.me.simulation && this.me.may.includes("sim_press") ? new Demo(report).element : null;
    app.replaceChildren(
      h("a", { class: "skip", href: "#alarms-title" }, t("skip.to_alarms")),
      h("header", { class: "bar" },
        h("span", { class: "brand" }, h("img", { src: "/static/calm.svg", alt: "", width: 24, height: 24 }), this.me.gateway),
        this.me.simulation && h("span", { class: "badge badge-simulation" }, t("badge.simulation")),
        h("span", { class: "space" }), this.link, this.clock, languageChoice(),
        h("span", { class: "who" }, this.me.name, h("small", {}, named("role", this.me.role))),
        h("button", { type: "button", class: "quiet", onclick: () => dialogs.help() }, t("help.open"), h("kbd", {}, "?")),
        h("button", { type: "button", class: "quiet", onclick: () => post("/api/v1/logout").finally(leave) }, t("door.log_out"))),
      this.cut, this.sirenBar,
      h("main", { class: "room" }, h("div", { class: "side" }, this.list.element, demo), this.mapPlace, this.detail.element));
  }

  async #testSiren() {
    await this.siren.test();
    this.sirenBar.hidden = true;
    this.render();
  }

  // ----------------------------------------------------------------------------------------------- stream

  #heard(name, data) {
    if (this.isClosed) return;
    if (name === "reset") this.#reset(data);
    else if (name === "units") this.#units(data.units);
    else if (name === "gone") this.#gone(data.alarm_id);
    else if (name === "beat") this.desk.setClock(data.now);
    else if (name === "logged_out") leave();
    else if (data.alarm_id) this.#changed(name, data);
  }

  #units(units) {
    this.map.units.set(units);
    this.#withSelected((alarm) => this.map.settle(alarm));
  }

  #gone(alarmId) {
    this.desk.drop(alarmId);
    this.#tidy();
  }

  #reset(data) {
    this.desk.setClock(data.now);
    this.desk.reset(data.alarms);
    this.#tidy();
    const count = this.desk.waiting().length;
    if (count) announce(t("say.waiting", { count }), { urgent: true });
  }

  #changed(name, alarm) {
    const before = this.desk.get(alarm.alarm_id);
    this.desk.put(alarm);
    this.#say(name, alarm, before);
    if (alarm.open && alarm.alarm_id === this.selectedId) this.#follow(name, alarm, before);
    this.#tidy();
  }

  /** After a change: what is gone is not looked at any more. */
  #tidy() {
    if (!this.desk.get(this.selectedId)) this.selectedId = null;
    this.#selectFirst();
    this.render();
  }

  /** Positions come with the stream; the road only from the server, when another unit is chosen. */
  #follow(name, alarm, before) {
    if (name === "position" && alarm.track && alarm.position.status === "fix") alarm.track = [...alarm.track, alarm.position];
    if (name === "routed" || alarm.unit_assigned !== before?.unit_assigned) this.#loadTrack(alarm.alarm_id);
  }

  #say(name, alarm, before) {
    const id = [shortId(alarm), alarm.case?.reference].filter(Boolean).join(", ");
    const unit = alarm.responder?.unit;
    if (name === "raised" && !before && !alarm.test) {
      announce(unit ? t("say.raised_unit", { id, unit, drive: drive(alarm.responder.travel_s) }) : t("say.raised", { id }), { urgent: true });
    } else if (name === "pressed") announce(t("say.pressed", { id }), { urgent: true });
    else if (name === "escalated" && phase(alarm) === "alarm") announce(t("say.escalated", { id }), { urgent: true });
    else if (name === "told" && before && ownerOf(alarm) !== ownerOf(before)) announce(t("say.taken", { id, who: ownerOf(alarm) ?? "" }));
    else if (name === "resolved") announce(t("say.resolved", { id }));
  }

  #silent(seconds) {
    this.cut.hidden = seconds === 0;
    this.link.className = seconds ? "link link-cut" : "link link-up";
    setText(this.link, t(seconds ? "link.cut" : "link.up"));
    if (seconds) setText(this.cut, t("link.cut_more", { at: clockTime(this.desk.now() - seconds * 1000) }));
  }

  // --------------------------------------------------------------------------------------------- what is shown

  /** The first waiting alarm comes by itself when nothing is being looked at. */
  #selectFirst() {
    if (this.selectedId) return;
    const first = this.desk.sorted()[0];
    if (first) this.select(first.alarm_id);
  }

  select(id) {
    const isNew = this.selectedId !== id;
    this.selectedId = id;
    this.render();
    const alarm = this.desk.get(id);
    if (alarm && isNew) {
      this.map.focus(alarm);
      this.#loadTrack(id);
    }
  }

  async #loadTrack(id) {
    if (!this.me.may.includes("show_track")) return;
    const track = await get(`/api/v1/alarms/${id}/track`).catch(() => null);
    const alarm = this.desk.get(id);
    if (!track || !alarm || this.isClosed) return;
    alarm.track = track.points.filter((point) => point.current !== false);
    alarm.way = track.way;
    this.render();
  }

  render() {
    const alarms = this.desk.sorted();
    this.list.render(this.selectedId);
    this.detail.show(this.desk.get(this.selectedId));
    document.body.classList.toggle("has-detail", Boolean(this.desk.get(this.selectedId)));
    this.map.render(alarms, this.selectedId);
    this.siren.set(this.desk.isLoud(), t("siren.title", { count: this.desk.waiting().length }));
  }

  tick() {
    setText(this.clock, clockTime(this.desk.now()));
    this.list.tick();
    const alarm = this.desk.get(this.selectedId);
    if (alarm) this.detail.tick(alarm);
  }

  // ---------------------------------------------------------------------------------------------- actions

  async act(name, more = {}) {
    const alarm = this.desk.get(this.selectedId);
    if (!alarm) return;
    const path = `/api/v1/alarms/${alarm.alarm_id}`;
    const id = shortId(alarm);
    if (name === "silence") {
      this.desk.silence(alarm);
      this.render();
      return;
    }
    const steps = {
      take: () => post(`${path}/take`),
      send: () => post(`${path}/ack`, { level: "dispatched", unit: more.unit }),
      extend: () => post(`${path}/extend-track`, { seconds: 3600 }),
      mark_real: () => dialogs.markReal(id).then((yes) => yes && post(`${path}/mark-real`)),
      note: () => dialogs.note(id).then((given) => given && post(`${path}/note`, given)),
      close: () => dialogs.outcome(id, alarm).then((given) => given && post(`${path}/resolve`, given)),
      hand_over: () => dialogs.handOver(id, alarm, this.me.centres ?? []).then((given) => given && post(`${path}/reassign`, given)),
      reopen: () => dialogs.reopen(id).then((given) => given && post(`${path}/reopen`, given)),
      story: () => get(`${path}/story`).then((story) => dialogs.story(id, story.records)),
    };
    try {
      await steps[name]();
    } catch (problem) {
      report(problem);
    }
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.("input, textarea, select, dialog")) return;
    const names = { t: "take", h: "hand_over", c: "close", s: "silence", n: "note" };
    const key = event.key.toLowerCase();
    if (key === "?") dialogs.help();
    else if (key === "m") this.#withSelected((alarm) => this.map.focus(alarm));
    else if (key === "j" || key === "k") this.#step(key === "j" ? 1 : -1);
    else if (names[key] && this.#offers(names[key])) this.act(names[key]);
    else return;
    event.preventDefault();
  }

  /** A key does what its button does, and nothing that no button offers now. */
  #offers(name) {
    if (name === "note") return this.me.may.includes("add_note");
    const button = this.detail.actions.querySelector(`[data-act="${name}"]`);
    return Boolean(button) && !button.hidden && !this.detail.element.hidden;
  }

  #withSelected(act) {
    const alarm = this.desk.get(this.selectedId);
    if (alarm) act(alarm);
  }

  #step(by) {
    const ids = this.desk.sorted().map((alarm) => alarm.alarm_id);
    if (!ids.length) return;
    const at = ids.indexOf(this.selectedId);
    this.select(ids[(at + by + ids.length) % ids.length]);
    this.list.cards.get(this.selectedId)?.button.focus();
  }

  close() {
    this.stream.close();
    window.clearInterval(this.ticker);
    document.removeEventListener("keydown", this.onKey);
    this.siren.set(false);
    this.map.close();
    this.isClosed = true;
  }
}

// ---------------------------------------------------------------------------------------------------- coming and going

let room = null;

function report(problem) {
  if (!(problem instanceof Problem)) throw problem;
  if (problem.status === 401) leave();
  else dialogs.problem(problem);
}

function languageChoice() {
  const choose = (event) => loadWords(event.target.value).then(enter);
  return h("select", { class: "language", "aria-label": t("language"), onchange: choose },
    LANGUAGES.map((code) => h("option", { value: code, selected: code === chosenLanguage() }, code.toUpperCase())));
}

function leave() {
  room?.close?.();
  room = null;
  rememberCsrf(null);
  document.body.className = "";
  room = new Door(app, enter, languageChoice());
}

async function enter() {
  let me;
  try {
    me = await get("/api/v1/me");
  } catch (problem) {
    if (problem.status === 401) return leave();
    app.replaceChildren(h("main", { class: "door" }, h("div", { class: "cut", role: "alert" }, t("link.unreachable")),
      h("button", { type: "button", class: "primary", onclick: enter }, t("link.again"))));
    return undefined;
  }
  room?.close?.();
  rememberCsrf(me.csrf);
  room = me.may.includes("open_feed") ? new Console(me) : new People(app, me, languageChoice(), leave, report);
  return undefined;
}

await loadWords();
await enter();
