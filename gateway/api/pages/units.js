// Units on one canvas: a thousand of them cost one paint. They glide to where they were last heard.

const COLOURS = { available: "#7fd1c7", busy: "#e8b45a", off: "#7d8b99" };
const GLIDE_MS = 900;
const OLD_S = 60;
const NAMES_FROM_ZOOM = 14;
const NAMES_MAX = 60;
const FONT = "600 11px system-ui, 'Segoe UI', 'Noto Sans', sans-serif";

export const Units = L.Layer.extend({
  initialize() {
    this.units = new Map();
    this.proposed = null;
    this.isStill = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "units-canvas leaflet-zoom-hide", map.getPane("units"));
    map.on("move zoomend resize viewreset", this.place, this);
    this.place();
  },

  onRemove(map) {
    map.off("move zoomend resize viewreset", this.place, this);
    cancelAnimationFrame(this.frame);
    this.canvas.remove();
  },

  /** What the gateway said last: every unit, or those that still exist. */
  set(units) {
    const now = performance.now();
    const known = this.units;
    this.units = new Map();
    for (const unit of units) {
      if (unit.lat === undefined || unit.lon === undefined) continue;
      const before = known.get(unit.unit);
      const from = before ? this.where(before, now) : [unit.lat, unit.lon];
      this.units.set(unit.unit, { ...unit, from, heardMs: now });
    }
    this.glideUntil = now + GLIDE_MS;
    this.schedule();
  },

  propose(unit) {
    if (this.proposed === unit) return;
    this.proposed = unit;
    this.schedule();
  },

  position(unit) {
    const one = this.units.get(unit);
    return one ? [one.lat, one.lon] : null;
  },

  where(one, now) {
    const share = this.isStill ? 1 : Math.min(1, (now - one.heardMs) / GLIDE_MS);
    return [one.from[0] + (one.lat - one.from[0]) * share, one.from[1] + (one.lon - one.from[1]) * share];
  },

  place() {
    const size = this._map.getSize();
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    if (this.canvas.width !== size.x * ratio || this.canvas.height !== size.y * ratio) {
      this.canvas.width = size.x * ratio;
      this.canvas.height = size.y * ratio;
      this.canvas.style.width = `${size.x}px`;
      this.canvas.style.height = `${size.y}px`;
    }
    L.DomUtil.setPosition(this.canvas, this._map.containerPointToLayerPoint([0, 0]));
    this.paint();
  },

  schedule() {
    if (this.frame || !this._map) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.paint();
      if (!this.isStill && performance.now() < this.glideUntil) this.schedule();
    });
  },

  paint() {
    const ratio = this.canvas.width / Math.max(1, this._map.getSize().x);
    const brush = this.canvas.getContext("2d");
    const now = performance.now();
    const bounds = this._map.getBounds().pad(0.1);
    const seen = [...this.units.values()].map((one) => ({ one, at: this.where(one, now) })).filter(({ at }) => bounds.contains(at));
    const isNamed = this._map.getZoom() >= NAMES_FROM_ZOOM && seen.length <= NAMES_MAX;
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const { one, at } of seen) {
      const point = this._map.latLngToContainerPoint(at);
      const isProposed = one.unit === this.proposed;
      draw(brush, point, one, isProposed);
      if (isNamed || isProposed) name(brush, point, one, isProposed);
    }
  },
});

/** The shape says the status: disc available, square busy, ring off. Faint: not heard for a minute. */
function draw(brush, { x, y }, one, isProposed) {
  const colour = COLOURS[one.status] ?? COLOURS.off;
  const size = isProposed ? 8 : 6;
  brush.save();
  brush.translate(x, y);
  if ((one.age_s ?? 0) > OLD_S) brush.globalAlpha = 0.45;
  if (isProposed) {
    brush.beginPath();
    brush.arc(0, 0, 14, 0, 7);
    brush.fillStyle = "rgba(127, 209, 199, 0.22)";
    brush.fill();
  }
  if (one.course_deg !== undefined && (one.speed_kmh ?? 0) > 3) {
    brush.rotate((one.course_deg * Math.PI) / 180);
    brush.beginPath();
    brush.moveTo(0, -size - 7);
    brush.lineTo(4.5, -size);
    brush.lineTo(-4.5, -size);
    brush.fillStyle = colour;
    brush.fill();
    brush.rotate((-one.course_deg * Math.PI) / 180);
  }
  brush.beginPath();
  if (one.status === "busy") brush.rect(-size + 1, -size + 1, 2 * size - 2, 2 * size - 2);
  else brush.arc(0, 0, size, 0, 7);
  brush.fillStyle = one.status === "off" ? "#17212b" : colour;
  brush.fill();
  brush.lineWidth = 2;
  brush.strokeStyle = one.status === "off" ? colour : "#0e151c";
  brush.stroke();
  brush.restore();
}

function name(brush, { x, y }, one, isProposed) {
  brush.font = FONT;
  brush.textBaseline = "middle";
  brush.lineJoin = "round";
  brush.lineWidth = 3;
  brush.strokeStyle = "#0e151c";
  brush.fillStyle = isProposed ? "#ffffff" : "#c9d6e2";
  brush.strokeText(one.unit, x + (isProposed ? 14 : 11), y);
  brush.fillText(one.unit, x + (isProposed ? 14 : 11), y);
}
