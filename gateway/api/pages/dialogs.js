// Dialogs: each resolves to what was given, or to null when it was left.

import { h } from "./dom.js";
import { clockTime, named, t } from "./words.js";

const OUTCOMES = [
  "REAL_INTERVENTION", "REAL_ARREST", "REAL_OFFENDER_GONE", "REAL_OTHER_HELP", "PRECAUTION", "TEST", "ACCIDENTAL", "TECHNICAL", "THIRD_PARTY", "UNKNOWN",
];

function open(title, content, { confirm, danger = false, wide = false } = {}) {
  return new Promise((resolve) => {
    const form = h("form", { method: "dialog" }, h("h2", { tabindex: -1, autofocus: !confirm }, title), content,
      h("div", { class: "dialog-actions" },
        h("button", { type: "button", class: "quiet", onclick: () => dialog.close() }, t(confirm ? "dialog.cancel" : "dialog.close")),
        confirm && h("button", { type: "submit", class: danger ? "danger" : "primary", value: "yes" }, confirm)));
    const dialog = h("dialog", { "aria-label": title, class: wide ? "wide" : null }, form);
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes" ? Object.fromEntries(new FormData(form)) : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

const reasonField = (key, name = "reason") => h("label", {}, h("span", {}, t(key)), h("textarea", { name, rows: 3, required: true, maxlength: 2000 }));

export async function outcome(id, alarm) {
  const select = h("select", { name: "outcome", required: true, autofocus: true },
    h("option", { value: "" }, t("close.choose")),
    OUTCOMES.filter((code) => alarm.test || code !== "TEST").map((code) => h("option", { value: code }, named("outcome", code))));
  const content = [h("label", {}, h("span", {}, t("close.outcome")), select), reasonField("close.reason", "note"), h("p", { class: "hint" }, t("close.more"))];
  return open(t("close.title", { id }), content, { confirm: t("act.close"), danger: true });
}

export function handOver(id, alarm, centres) {
  const known = centres.length ? centres : [...new Set(alarm.offered_to)].map((centre) => ({ id: centre }));
  const others = known.filter((one) => one.id !== alarm.centre?.id);
  const content = others.length
    ? [h("label", {}, h("span", {}, t("hand_over.centre")), h("select", { name: "centre", required: true, autofocus: true },
      others.map((one) => h("option", { value: one.id }, one.name ? `${one.name} (${one.id})` : one.id)))), reasonField("hand_over.reason")]
    : h("label", {}, h("span", {}, t("hand_over.centre")), h("input", { name: "centre", required: true, autofocus: true }), reasonField("hand_over.reason"));
  return open(t("hand_over.title", { id }), content, { confirm: t("act.hand_over") });
}

export const note = (id) => open(t("note.title", { id }), reasonField("note.text", "note"), { confirm: t("act.note") });

export const reopen = (id) => open(t("reopen.title", { id }), reasonField("reopen.reason"), { confirm: t("act.reopen") });

export const markReal = (id) => open(t("mark_real.title", { id }), h("p", {}, t("mark_real.more")), { confirm: t("act.mark_real") });

export function problem(error) {
  const isFar = error.code === "unreachable";
  return open(t("problem.title"), [h("p", {}, isFar ? t("door.unreachable") : error.message), h("p", { class: "hint" }, error.todo)]);
}

/** Each record as a sentence, in the gateway's words; those of one second stand together. */
export function story(id, records) {
  let second = "";
  const line = (record) => {
    const at = clockTime(Date.parse(record.at));
    const isSame = at === second;
    second = at;
    return h("li", {}, h("time", {}, isSame ? "" : at), h("span", {}, record.text));
  };
  return open(t("story.title", { id }), h("ol", { class: "story" }, records.map(line)), { wide: true });
}

export function help() {
  const rows = [["T", "take"], ["H", "hand_over"], ["C", "close"], ["S", "silence"], ["N", "note"]].map(([key, name]) => [key, t(`act.${name}`)]);
  rows.push(["J", t("help.next")], ["K", t("help.previous")], ["M", t("help.centre")], ["?", t("help.title")]);
  return open(t("help.title"), [
    h("table", { class: "keys" }, h("tbody", {}, rows.map(([key, text]) => h("tr", {}, h("td", {}, h("kbd", {}, key)), h("td", {}, text))))),
    h("p", { class: "hint" }, t("help.silence")),
  ]);
}
