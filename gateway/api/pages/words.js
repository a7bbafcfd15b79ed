// Words of the four languages. A text is a whole sentence with {places}; none is put together from pieces.

export const LANGUAGES = ["en", "nl", "fr", "de"];
const KEPT_AS = "gateway.language";
let table = {};
let language = "en";
let plurals = new Intl.PluralRules("en");
let numbers = new Intl.NumberFormat("en");

export function chosenLanguage() {
  return language;
}

export async function loadWords(wanted) {
  const preferred = wanted ?? localStorage.getItem(KEPT_AS) ?? navigator.language.slice(0, 2);
  language = LANGUAGES.includes(preferred) ? preferred : "en";
  if (wanted) localStorage.setItem(KEPT_AS, language);
  const answer = await fetch(`/static/i18n/${language}.json`);
  table = await answer.json();
  plurals = new Intl.PluralRules(language);
  numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
  document.documentElement.lang = language;
}

/** The text of a key. A text with several forms is chosen by the number `count`. */
export function t(key, values = {}) {
  let text = table[key];
  if (typeof text === "object") text = text[plurals.select(values.count)] ?? text.other;
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? numbers.format(value) : value;
  });
}

/** The text of a code that devices, centres or the router gave; an unknown code is shown as it is. */
export function named(group, code) {
  const key = `${group}.${code}`;
  return key in table ? t(key) : String(code).replaceAll("_", " ");
}

/** Seconds as a stop-watch shows them. */
export function watch(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, "0"));
  return whole < 3600 ? parts.join(":") : [Math.floor(whole / 3600), ...parts].join(":");
}

/** How long ago, in words. */
export function ago(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 120) return t("ago.seconds", { count: whole });
  if (whole < 7200) return t("ago.minutes", { count: Math.round(whole / 60) });
  if (whole < 172800) return t("ago.hours", { count: Math.round(whole / 3600) });
  return t("ago.days", { count: Math.round(whole / 86400) });
}

export function drive(seconds) {
  return seconds < 60 ? t("drive.seconds", { count: Math.round(seconds) }) : t("drive.minutes", { count: Math.ceil(seconds / 60) });
}

export function distance(metres) {
  return metres < 950 ? t("distance.metres", { count: Math.round(metres / 10) * 10 }) : t("distance.kilometres", { count: metres / 1000 });
}

export function clockTime(at) {
  return new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" }).format(at);
}

export function dayAndTime(at) {
  return new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" }).format(at);
}
