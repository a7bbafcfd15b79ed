// Elements in one line, and text that is only touched when it changes: a screen reader hears every change.

/** An element. `attributes`: on<event> adds a listener, true sets it bare, null and false leave it out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== false && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Fill a place anew when what it shows has changed, so that focus and selection survive everything else. */
export function setContent(element, shown, make) {
  const key = JSON.stringify(shown);
  if (element.shownKey === key) return;
  element.shownKey = key;
  element.replaceChildren(...[make()].flat(3).filter(Boolean));
}

/** Empty a place and forget what it showed. */
export function clear(element) {
  element.shownKey = undefined;
  element.replaceChildren();
}

/** Shapes carry the state beside colour and text. */
const SHAPES = {
  alarm: "M12 2.5 23 21.5H1z",
  taken: "M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20z",
  resolved: "M3.5 3.5h17v17h-17z",
  test: "M12 1.5 22.5 12 12 22.5 1.5 12z",
};

export function shape(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `shape shape-${name}`);
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", SHAPES[name]);
  svg.append(path);
  return svg;
}

/** Spoken by screen readers: urgent ones interrupt. */
export function announce(text, { urgent = false } = {}) {
  const place = document.getElementById(urgent ? "announce-now" : "announce");
  place.textContent = "";
  window.setTimeout(() => { place.textContent = text; }, 30);
}
