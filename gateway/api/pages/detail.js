// One alarm, in the order in which a call taker needs it. Built once; afterwards only what changed is touched.

import { phase, shortId } from "./desk.js";
import { clear, h, setContent, setText, shape } from "./dom.js";
import { badgesOf, ownerOf, ownerText } from "./list.js";
import { ago, clockTime, dayAndTime, distance, drive, named, t, watch } from "./words.js";

const AMBER_S = 30;
const GREY_S = 120;

export class Detail {
  constructor(desk, me, act) {
    this.desk = desk;
    this.me = me;
    this.act = act;
    this.alarmId = null;
    this.place = {};
    this.element = h("section", { class: "detail", "aria-label": t("detail.title"), hidden: true });
    this.#build();
  }

  #slot(name, attributes = {}) {
    this.place[name] = h("div", { ...attributes, class: `slot slot-${name}` });
    return this.place[name];
  }

  #build() {
    this.timer = h("div", { class: "big-timer", role: "timer", "aria-live": "off" });
    this.head = h("header", { class: "detail-head" });
    this.mark = h("span", { class: "mark" });
    this.title = h("h2", {});
    this.sub = h("p", { class: "sub" });
    this.head.append(this.mark, h("div", { class: "head-text" }, this.title, this.sub), this.timer);
    this.age = h("span", { class: "age" });
    this.actions = h("div", { class: "actions" }, ...this.#actions());
    const part = (key, ...inside) => h("section", { class: "part" }, h("h3", {}, t(`part.${key}`)), ...inside);
    this.element.append(
      this.head, this.#slot("badges"), this.#slot("owner"), this.actions,
      h("p", { class: "covert" }, t("detail.covert")), this.#slot("audio"),
      part("position", this.#slot("position"), h("p", { class: "age-line" }, this.age)),
      part("unit", this.#slot("unit")),
      part("case", this.#slot("case")),
      part("device", this.#slot("device")),
      part("receivers", this.#slot("receivers")),
      this.#slot("doubts"), this.#slot("times"), this.#slot("more"));
  }

  #actions() {
    const button = (name, letter, kind) => {
      if (name !== "silence" && !this.me.may.includes(WORDS[name])) return null;
      const element = h("button", { type: "button", class: `action ${kind}`, "data-act": name, onclick: () => this.act(name) },
        h("span", {}, t(`act.${name}`)), h("kbd", { "aria-hidden": "true" }, letter));
      element.setAttribute("aria-keyshortcuts", letter);
      return element;
    };
    return [button("take", "T", "primary"), button("hand_over", "H", ""), button("close", "C", ""), button("silence", "S", "quiet")];
  }

  show(alarm) {
    this.element.hidden = !alarm;
    const alarmId = alarm?.alarm_id ?? null;
    if (alarmId !== this.alarmId) {
      // Nothing of the last one stays: no text, no open fold, no place scrolled to.
      for (const slot of Object.values(this.place)) clear(slot);
      this.element.scrollTop = 0;
    }
    this.alarmId = alarmId;
    if (alarm) this.render(alarm);
  }

  render(alarm) {
    const now = phase(alarm);
    this.element.className = `detail detail-${now}${alarm.simulated ? " simulated" : ""}`;
    setContent(this.mark, now, () => shape(now));
    setText(this.title, t(alarm.test ? "alarm.test" : "alarm.title"));
    setText(this.sub, [shortId(alarm), ...alarm.kinds.map((kind) => named("kind", kind))].join(" · "));
    setContent(this.place.badges, badgesOf(alarm), () => badgesOf(alarm).map((text) => h("span", { class: "badge" }, text)));
    setContent(this.place.owner, [ownerText(alarm), now], () => h("p", { class: `owner-line owner-${now}` }, ownerText(alarm)));
    this.#buttons(alarm, now);
    this.#position(alarm);
    this.#unit(alarm);
    this.#facts(alarm);
    setContent(this.place.audio, alarm.links?.audio, () => alarm.links?.audio && h("p", { class: "listen" }, t("detail.listen"), " ", reference(alarm.links.audio)));
    this.tick(alarm);
  }

  #buttons(alarm, now) {
    for (const button of this.actions.children) {
      const name = button.dataset.act;
      button.hidden = (name === "take" && ownerOf(alarm) === this.me.name) || (now === "resolved" && name !== "silence")
        || (name === "silence" && now !== "alarm");
      if (name === "silence") button.setAttribute("aria-pressed", String(this.desk.isSilenced(alarm)));
    }
  }

  tick(alarm) {
    setText(this.timer, watch(this.desk.secondsSincePress(alarm)));
    const age = this.desk.positionAge(alarm);
    const freshness = age === null ? "unknown" : age > GREY_S ? "old" : age > AMBER_S ? "aging" : "fresh";
    this.age.className = `age age-${freshness}`;
    const isPlace = alarm.position.status !== "none";
    setText(this.age, !isPlace ? "" : age === null ? t("position.age_unknown") : t(`position.age_${freshness}`, { ago: ago(age) }));
    this.age.parentElement.hidden = !isPlace;
  }

  #position(alarm) {
    const place = alarm.position;
    const { age_s, ...shown } = place;
    setContent(this.place.position, shown, () => {
      if (place.status === "none") return h("p", { class: "lack" }, t("position.none_more"));
      const moving = place.speed_kmh === undefined || place.speed_kmh === null ? t("position.moving_unknown")
        : place.speed_kmh < 2 ? t("position.still")
        : t("position.moving", { speed: Math.round(place.speed_kmh), course: compass(place.course_deg) });
      return [
        place.status === "last_known" && h("p", { class: "lack" }, t("position.last_known_more")),
        place.address && h("p", { class: "address" }, place.address),
        h("p", {}, place.accuracy_m ? t("position.accuracy", { metres: Math.round(place.accuracy_m) }) : t("position.accuracy_unknown"),
          h("span", { class: "dot" }, " · "), named("source", place.source ?? "unknown"), h("span", { class: "dot" }, " · "), moving),
        h("p", { class: "coordinates" }, `${place.lat.toFixed(5)}, ${place.lon.toFixed(5)}`),
      ];
    });
  }

  #unit(alarm) {
    const responder = alarm.responder ?? {};
    const assigned = alarm.unit_assigned;
    setContent(this.place.unit, [responder, assigned, alarm.state], () => {
      const canSend = this.me.may.includes(WORDS.send) && alarm.state !== "RESOLVED";
      const send = (unit) => canSend && assigned !== unit && h("button", { type: "button", class: "send", onclick: () => this.act("send", { unit }) }, t("act.send"));
      const row = (one, isFirst) => h("li", { class: isFirst ? "unit first" : "unit" },
        h("span", { class: "call-sign" }, one.unit), h("span", { class: "drive" }, drive(one.travel_s)),
        h("span", { class: "far" }, distance(one.distance_m)), send(one.unit) || h("span", {}));
      const skipped = responder.skipped ?? [];
      return [
        assigned && h("p", { class: "assigned" }, t("unit.sent", { unit: assigned })),
        responder.status !== "proposed" && h("p", { class: "lack" }, t(`unit.${responder.status === "pending" ? "pending" : "none"}`)),
        responder.basis === "straight_line" && h("p", { class: "caution" }, t("unit.straight_line")),
        responder.unit && h("ul", { class: "units" }, row(responder, true), (responder.alternatives ?? []).map((one) => row(one, false))),
        responder.reason && h("p", { class: "reason" }, responder.reason,
          responder.position_age_s > 60 && h("span", { class: "caution" }, ` ${t("unit.position_old", { ago: ago(responder.position_age_s) })}`)),
        skipped.length > 0 && h("details", { class: "skipped" }, h("summary", {}, t("unit.skipped", { count: skipped.length })),
          h("ul", {}, skipped.map((one) => h("li", {}, h("span", { class: "call-sign" }, one.unit), named("skip", one.reason))))),
      ];
    });
  }

  #facts(alarm) {
    const file = alarm.case;
    setContent(this.place.case, file, () => file ? [
      h("p", { class: "reference" }, file.reference, file.state && file.state !== "ACTIVE" && h("span", { class: "badge" }, named("case_state", file.state))),
      h("p", {}, [file.risk && named("risk", file.risk), file.zone && t("case.zone", { zone: file.zone })].filter(Boolean).join(" · ")),
      file.instructions && h("p", { class: "instructions" }, file.instructions),
    ] : h("p", { class: "lack" }, t("case.none")));
    const device = alarm.device ?? {};
    setContent(this.place.device, [device, alarm.device_silent, alarm.tracking, alarm.trust], () => [
      h("p", {}, battery(device.battery_percent), h("span", { class: "dot" }, " · "), [device.id, device.protocol, device.transport].filter(Boolean).join(" / ")),
      h("p", {}, device.last_test_at ? t("device.tested", { when: dayAndTime(Date.parse(device.last_test_at)) }) : t("device.never_tested"),
        h("span", { class: "dot" }, " · "), named("trust", alarm.trust)),
      alarm.device_silent && h("p", { class: "caution" }, t("device.silent")),
      alarm.tracking !== "ON" && h("p", { class: "caution" }, named("tracking", alarm.tracking)),
    ]);
    const centre = alarm.centre ?? {};
    const also = [...new Set([...(centre.also_offered_to ?? []), ...(alarm.offered_to ?? [])])].filter((id) => id !== centre.id);
    setContent(this.place.receivers, [centre, also], () => [
      h("p", {}, centre.id ? t("receivers.centre", { centre: centre.id }) : t("receivers.none")),
      also.length > 0 && h("p", {}, t("receivers.also", { centres: also.join(", ") })),
    ]);
    setContent(this.place.doubts, alarm.doubts, () => alarm.doubts.length > 0 && h("section", { class: "part" }, h("h3", {}, t("part.doubts")),
      h("ul", { class: "doubts" }, alarm.doubts.map((doubt) => h("li", {}, named("doubt", doubt))))));
    const late = this.desk.lateSeconds(alarm);
    setContent(this.place.times, [alarm.times, late], () => h("p", { class: "times" },
      t("times.received", { at: clockTime(Date.parse(alarm.times.received_at)) }), late !== null && ` ${t("times.late", { ago: ago(late) })}`));
    setContent(this.place.more, [alarm.state, alarm.test], () => h("div", { class: "more" }, MORE
      .filter(([name, fits]) => fits(alarm) && this.me.may.includes(WORDS[name]))
      .map(([name]) => h("button", { type: "button", class: "small", onclick: () => this.act(name) }, t(`act.${name}`)))));
  }
}

/** The gateway's names of what a user may do. */
export const WORDS = {
  take: "take", hand_over: "reassign", close: "resolve", send: "acknowledge", note: "add_note", extend: "extend_track",
  mark_real: "mark_real", reopen: "reopen", story: "show_story",
};

const isRunning = (alarm) => alarm.state !== "RESOLVED";
const MORE = [
  ["note", isRunning], ["extend", isRunning], ["mark_real", (alarm) => alarm.test && isRunning(alarm)],
  ["reopen", (alarm) => alarm.state === "RESOLVED"], ["story", () => true],
];

/** A link where it is one, else the words that the centre's own system understands. */
function reference(text) {
  return /^https:\/\//.test(text) ? h("a", { href: text, target: "_blank", rel: "noreferrer" }, text) : h("span", {}, text);
}

function battery(percent) {
  if (percent === undefined || percent === null) return t("device.battery_unknown");
  return h("span", { class: percent <= 25 ? "caution" : "" }, t("device.battery", { percent: Math.round(percent) }));
}

function compass(degrees) {
  if (degrees === undefined || degrees === null) return "";
  return t(`compass.${["n", "ne", "e", "se", "s", "sw", "w", "nw"][Math.round(degrees / 45) % 8]}`);
}
