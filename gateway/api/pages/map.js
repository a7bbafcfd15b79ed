// The map: base map, units, alarms with their accuracy, track and road.

import { phase, shortId } from "./desk.js";
import { shape } from "./dom.js";
import { BaseMap } from "./tiles.js";
import { Units } from "./units.js";
import { t } from "./words.js";

const LINES = { alarm: "#ff6b63", taken: "#e8b45a", test: "#8fb4ff", resolved: "#93a4b3" };
const ROAD = "#7fd1c7";
const CLOSE_ZOOM = 16;

export class AlarmMap {
  constructor(place, about, select) {
    this.select = select;
    this.shown = new Map();
    this.bounds = about?.bounds ? L.latLngBounds([about.bounds[0], about.bounds[1]], [about.bounds[2], about.bounds[3]]) : null;
    this.map = L.map(place, { preferCanvas: true, zoomAnimation: false, fadeAnimation: false, markerZoomAnimation: false, zoomControl: false,
      attributionControl: false, minZoom: 7, maxZoom: 19, keyboardPanDelta: 120 });
    L.control.zoom({ position: "bottomright", zoomInTitle: t("map.closer"), zoomOutTitle: t("map.farther") }).addTo(this.map);
    L.control.scale({ position: "bottomleft", imperial: false }).addTo(this.map);
    if (about) L.control.attribution({ position: "bottomright", prefix: false }).addAttribution(about.attribution).addTo(this.map);
    this.map.createPane("units").classList.add("units-pane");
    if (this.bounds) this.map.fitBounds(this.bounds); else this.map.setView([51.05, 3.72], 11);
    if (about) new BaseMap("/tiles", { dataBounds: this.bounds }).addTo(this.map);
    this.units = new Units().addTo(this.map);
    for (const touch of ["pointerdown", "wheel", "keydown"]) place.addEventListener(touch, () => { this.owedTo = null; }, { passive: true });
    this.resized = new ResizeObserver(() => this.map.invalidateSize({ animate: false }));
    this.resized.observe(place);
  }

  close() {
    this.resized.disconnect();
    this.map.remove();
  }

  render(alarms, selectedId) {
    const wanted = new Set();
    for (const alarm of alarms) {
      if (alarm.position.status === "none") continue;
      wanted.add(alarm.alarm_id);
      const known = this.shown.get(alarm.alarm_id) ?? this.#add(alarm);
      this.#update(known, alarm, alarm.alarm_id === selectedId);
    }
    for (const [id, known] of this.shown) {
      if (!wanted.has(id)) {
        known.group.remove();
        this.shown.delete(id);
      }
    }
    const selected = alarms.find((alarm) => alarm.alarm_id === selectedId);
    if (selected) this.settle(selected);
    this.units.propose(selected ? selected.unit_assigned ?? selected.responder?.unit ?? null : null);
  }

  /** A position or a unit that was not known when the alarm was brought into view: once more, unless somebody moved the map. */
  settle(alarm) {
    if (this.owedTo === alarm.alarm_id && alarm.position.status !== "none" && this.#unitOf(alarm)) this.focus(alarm);
  }

  #unitOf(alarm) {
    return this.units.position(alarm.unit_assigned ?? alarm.responder?.unit);
  }

  #add(alarm) {
    const at = [alarm.position.lat, alarm.position.lon];
    const known = {
      group: L.layerGroup().addTo(this.map),
      circle: L.circle(at, { weight: 1.5, fillOpacity: 0.12, interactive: false }),
      track: L.polyline([], { weight: 3, opacity: 0.75, dashArray: "1 6", interactive: false }),
      road: L.polyline([], { weight: 5, opacity: 0.7, color: ROAD, interactive: false }),
      marker: L.marker(at, { keyboard: false, riseOnHover: true }),
    };
    for (const layer of [known.road, known.track, known.circle, known.marker]) known.group.addLayer(layer);
    known.marker.on("click", () => this.select(alarm.alarm_id));
    this.shown.set(alarm.alarm_id, known);
    return known;
  }

  #update(known, alarm, isSelected) {
    const now = phase(alarm);
    const place = alarm.position;
    const at = [place.lat, place.lon];
    known.marker.setLatLng(at).setZIndexOffset(isSelected ? 1000 : 0);
    known.circle.setLatLng(at).setRadius(place.accuracy_m ?? 0)
      .setStyle({ color: LINES[now], fillColor: LINES[now], dashArray: place.status === "fix" ? null : "5 5" });
    known.track.setLatLngs(isSelected ? (alarm.track ?? []).map((point) => [point.lat, point.lon]) : []).setStyle({ color: LINES[now] });
    known.road.setLatLngs(isSelected && now !== "resolved" ? alarm.way ?? [] : []);
    const look = `${now}/${isSelected}/${alarm.simulated}/${place.status}`;
    if (known.look !== look) {
      known.look = look;
      const face = document.createElement("span");
      face.append(shape(now));
      const classes = ["pin", `pin-${now}`, isSelected && "pin-selected", alarm.simulated && "pin-simulated", place.status !== "fix" && "pin-unsure"];
      known.marker.setIcon(L.divIcon({ className: classes.filter(Boolean).join(" "), html: face, iconSize: [36, 36], iconAnchor: [18, 18] }));
      known.marker.getElement()?.setAttribute("title", shortId(alarm));
    }
  }

  /** Bring an alarm into view, with the unit that comes. */
  focus(alarm) {
    this.owedTo = alarm.alarm_id;
    if (alarm.position.status === "none") return;
    this.map.invalidateSize({ animate: false });
    const at = L.latLng(alarm.position.lat, alarm.position.lon);
    const unit = this.#unitOf(alarm);
    if (unit) this.owedTo = null;
    const reach = at.toBounds(Math.max(240, 2.4 * (alarm.position.accuracy_m ?? 0)));
    if (unit) reach.extend(unit);
    this.map.fitBounds(reach, { animate: false, maxZoom: CLOSE_ZOOM, paddingTopLeft: [60, 60], paddingBottomRight: [60, 60] });
  }
}
