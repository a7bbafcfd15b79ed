// The open alarms, those that wait longest and that nobody has taken first.

import { phase, shortId } from "./desk.js";
import { h, setContent, setText, shape } from "./dom.js";
import { drive, named, t, watch } from "./words.js";

export class List {
  constructor(desk, select) {
    this.desk = desk;
    this.select = select;
    this.cards = new Map();
    this.count = h("span", { class: "count" });
    this.items = h("ul", { class: "alarms", "aria-labelledby": "alarms-title" });
    this.nothing = h("div", { class: "nothing" }, h("p", { class: "nothing-title" }, t("list.none")), h("p", {}, t("list.none_more")));
    this.element = h("section", { class: "list" },
      h("h2", { id: "alarms-title" }, h("span", {}, t("list.title")), this.count), this.items, this.nothing);
  }

  render(selectedId) {
    const alarms = this.desk.sorted();
    setText(this.count, String(alarms.length));
    this.nothing.hidden = alarms.length > 0;
    const wanted = new Set(alarms.map((alarm) => alarm.alarm_id));
    for (const [id, card] of this.cards) {
      if (!wanted.has(id)) {
        card.element.remove();
        this.cards.delete(id);
      }
    }
    alarms.forEach((alarm, index) => {
      let card = this.cards.get(alarm.alarm_id);
      if (!card) {
        card = new Card(() => this.select(alarm.alarm_id));
        this.cards.set(alarm.alarm_id, card);
      }
      if (this.items.children[index] !== card.element) this.items.insertBefore(card.element, this.items.children[index] ?? null);
      card.render(alarm, this.desk, alarm.alarm_id === selectedId);
    });
  }

  tick() {
    for (const [id, card] of this.cards) {
      const alarm = this.desk.get(id);
      if (alarm) card.tick(alarm, this.desk);
    }
  }
}

class Card {
  constructor(select) {
    this.mark = h("span", { class: "mark" });
    this.title = h("span", { class: "card-title" });
    this.id = h("span", { class: "card-id" });
    this.timer = h("span", { class: "timer", "aria-hidden": "true" });
    this.owner = h("span", { class: "owner" });
    this.unit = h("span", { class: "card-unit" });
    this.badges = h("span", { class: "badges" });
    this.button = h("button", { type: "button", class: "card", onclick: select },
      this.mark,
      h("span", { class: "card-body" },
        h("span", { class: "card-head" }, this.title, this.timer),
        h("span", { class: "card-line" }, this.id),
        h("span", { class: "card-line" }, this.owner, this.unit), this.badges));
    this.element = h("li", {}, this.button);
  }

  render(alarm, desk, isSelected) {
    const now = phase(alarm);
    this.button.className = `card card-${now}${alarm.simulated ? " simulated" : ""}${isSelected ? " selected" : ""}`;
    this.button.setAttribute("aria-current", String(isSelected));
    setContent(this.mark, now, () => shape(now));
    setText(this.title, t(alarm.test ? "alarm.test" : "alarm.title"));
    setText(this.id, [shortId(alarm), alarm.case?.reference].filter(Boolean).join(" · "));
    setContent(this.badges, badgesOf(alarm), () => badgesOf(alarm).map((text) => h("span", { class: "badge" }, text)));
    setText(this.owner, ownerText(alarm));
    setText(this.unit, unitText(alarm));
    this.tick(alarm, desk);
  }

  tick(alarm, desk) {
    setText(this.timer, watch(desk.secondsSincePress(alarm)));
  }
}

export function badgesOf(alarm) {
  const badges = [];
  if (alarm.simulated) badges.push(t("badge.simulated"));
  if (alarm.repeat_count) badges.push(t("badge.repeats", { count: alarm.repeat_count + 1 }));
  if (alarm.late) badges.push(t("badge.late"));
  if (alarm.cancel_claimed) badges.push(t("badge.cancel_claimed"));
  if (alarm.escalation) badges.push(t("badge.escalation", { level: alarm.escalation }));
  if (alarm.position.status !== "fix") badges.push(named("position", alarm.position.status));
  return badges;
}

/** The operator where the gateway says who, else the centre. */
export const ownerOf = (alarm) => alarm.owner ?? alarm.centre?.taken_by ?? null;

export function ownerText(alarm) {
  const owner = ownerOf(alarm);
  if (alarm.state === "RESOLVED") return t("owner.resolved", { outcome: named("outcome", alarm.outcome ?? "UNKNOWN") });
  return owner ? t("owner.taken", { who: owner }) : t("owner.nobody");
}

function unitText(alarm) {
  if (alarm.unit_assigned) return t("unit.sent_short", { unit: alarm.unit_assigned });
  const responder = alarm.responder;
  return responder?.unit ? t("unit.short", { unit: responder.unit, drive: drive(responder.travel_s) }) : "";
}
