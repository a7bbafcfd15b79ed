// The base map: tiles of vectors from the gateway, painted on canvas. The format stands in gateway/maps/tiles.py.

const UNITS = 4096;
const ZOOMS = [14, 12, 10, 8];
const KEPT = 96;

const LAND = "#19232d";
const COLOURS = { green: "#1d322d", water: "#103447", paved: "#222e3a", building: "#22303c", buildingEdge: "#2f3f4e" };
const STREAM = { river: 3, canal: 2, stream: 1 };
const ROADS = {
  // kind: [width in pixels at zoom 14, zoom from which it has a casing, colour]
  path: [0.8, 99, "#34424f"], track: [1, 99, "#34424f"], service: [1.4, 16, "#31404e"], walk: [2, 16, "#3a4654"],
  minor: [2.6, 15, "#43535f"], tertiary: [3.4, 13, "#4d5e6b"], secondary: [3.8, 12, "#596b7a"], primary: [4.4, 11, "#667a8a"],
  trunk: [5, 10, "#7d7463"], motorway: [5.6, 9, "#8f7f62"],
};
const CASING = "#141d26";
const RAIL = "#3d4a57";
const TEXT = { street: "#a9b8c6", place: "#d5dfe8", halo: "#17212b" };
const PLACE_SIZE = { city: 17, town: 15, suburb: 13, quarter: 12, village: 12, hamlet: 11, neighbourhood: 11 };
const PLACE_FROM = { city: 8, town: 8, village: 11, suburb: 12, quarter: 13, hamlet: 13, neighbourhood: 14 };
const FONT = "system-ui, 'Segoe UI', 'Noto Sans', sans-serif";

/** Fetches and remembers tiles, decoded. */
class Store {
  constructor(address) {
    this.address = address;
    this.tiles = new Map();
  }

  get(z, x, y) {
    const key = `${z}/${x}/${y}`;
    let tile = this.tiles.get(key);
    this.tiles.delete(key);
    tile ??= fetch(`${this.address}/${key}`).then((answer) => (answer.ok ? answer.json() : null)).then((body) => body && decoded(body))
      .catch(() => { this.tiles.delete(key); return null; });
    this.tiles.set(key, tile);
    if (this.tiles.size > KEPT) this.tiles.delete(this.tiles.keys().next().value);
    return tile;
  }
}

function points(flat) {
  const list = new Array(flat.length / 2);
  for (let at = 0, x = 0, y = 0; at < flat.length; at += 2) list[at / 2] = [x += flat[at], y += flat[at + 1]];
  return list;
}

/** Lines as a path and the box around it, so that an enlarged tile paints only what is seen. */
function traced(lists, isArea) {
  const path = new Path2D();
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const list of lists) {
    list.forEach(([x, y], at) => {
      if (at) path.lineTo(x, y); else path.moveTo(x, y);
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y); box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    });
    if (isArea) path.closePath();
  }
  return { path, box };
}

function decoded(body) {
  const tile = { road: [], places: [] };
  for (const layer of ["green", "water", "paved", "building"]) tile[layer] = (body[layer] ?? []).map((rings) => traced(rings.map(points), true));
  for (const layer of ["stream", "rail"]) tile[layer] = (body[layer] ?? []).map(([kind, line]) => ({ kind, ...traced([points(line)]) }));
  for (const [kind, name, line] of body.road ?? []) {
    const list = points(line);
    tile.road.push({ kind, name: body.names[name], list, ...traced([list]) });
  }
  tile.places = (body.place ?? []).map(([kind, name, x, y]) => ({ kind, name: body.names[name], x, y }));
  return tile;
}

export const BaseMap = L.GridLayer.extend({
  options: { tileSize: 512, minZoom: 7, maxZoom: 19, updateWhenZooming: false, keepBuffer: 1 },

  initialize(address, options) {
    L.GridLayer.prototype.initialize.call(this, options);
    this.store = new Store(address);
  },

  createTile(coords, done) {
    const canvas = document.createElement("canvas");
    const size = this.getTileSize().x;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = canvas.height = size * ratio;
    this.fill(canvas, coords, size, ratio).then(() => done(null, canvas), (error) => done(error, canvas));
    return canvas;
  },

  /** Whether the map has anything there: nobody asks for tiles that do not exist. */
  holds(z, x, y) {
    const size = 256 * 2 ** (this._map.getZoom() - z);
    const corner = (column, row) => this._map.unproject([column * size, row * size]);
    return !this.options.dataBounds || this.options.dataBounds.intersects(L.latLngBounds(corner(x, y), corner(x + 1, y + 1)));
  },

  /** Paint whatever tiles of data lie under this piece of screen. */
  async fill(canvas, coords, size, ratio) {
    const zoom = coords.z;
    const data = ZOOMS.find((one) => one <= zoom) ?? ZOOMS.at(-1);
    const scale = 256 * 2 ** (zoom - data); // screen pixels per tile of data
    const [left, top] = [coords.x * size, coords.y * size];
    const last = 2 ** data - 1;
    const wanted = [];
    for (let y = Math.floor(top / scale); y <= Math.min(last, Math.ceil((top + size) / scale) - 1); y += 1) {
      for (let x = Math.floor(left / scale); x <= Math.min(last, Math.ceil((left + size) / scale) - 1); x += 1) {
        if (x >= 0 && y >= 0 && this.holds(data, x, y)) wanted.push(this.store.get(data, x, y).then((tile) => ({ tile, x, y })));
      }
    }
    const pieces = (await Promise.all(wanted)).filter((piece) => piece.tile).map(({ tile, x, y }) => {
      const zero = { x: x * scale - left, y: y * scale - top, k: scale / UNITS };
      // What of the tile is on this canvas, in its units.
      return { tile, ...zero, seen: [-zero.x / zero.k, -zero.y / zero.k, (size - zero.x) / zero.k, (size - zero.y) / zero.k] };
    });
    const brush = canvas.getContext("2d", { alpha: false });
    brush.fillStyle = LAND;
    brush.fillRect(0, 0, canvas.width, canvas.height);
    for (const paint of [areas, lines, roads]) paint(brush, pieces, zoom, ratio);
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    labels(brush, pieces, zoom, size);
  },
});

const isSeen = ({ box }, seen, by = 0) => box[0] <= seen[2] + by && box[2] >= seen[0] - by && box[1] <= seen[3] + by && box[3] >= seen[1] - by;

/** Draw in units of the tile; pixel(n) is a width of n screen pixels in them. Strokes stay inside their tile of data. */
function within(brush, piece, ratio, draw) {
  brush.save();
  brush.setTransform(piece.k * ratio, 0, 0, piece.k * ratio, piece.x * ratio, piece.y * ratio);
  brush.beginPath();
  brush.rect(0, 0, UNITS, UNITS);
  brush.clip();
  draw((pixels) => pixels / piece.k);
  brush.restore();
}

function areas(brush, pieces, zoom, ratio) {
  for (const piece of pieces) {
    within(brush, piece, ratio, (pixel) => {
      for (const layer of ["green", "water", "paved", "building"]) {
        if (layer === "building" && zoom < 14) continue;
        brush.fillStyle = COLOURS[layer];
        brush.strokeStyle = COLOURS.buildingEdge;
        brush.lineWidth = pixel(0.8);
        for (const area of piece.tile[layer]) {
          if (!isSeen(area, piece.seen)) continue;
          brush.fill(area.path, "evenodd");
          if (layer === "building" && zoom > 15) brush.stroke(area.path);
        }
      }
    });
  }
}

function lines(brush, pieces, zoom, ratio) {
  for (const piece of pieces) {
    within(brush, piece, ratio, (pixel) => {
      brush.lineJoin = brush.lineCap = "round";
      brush.strokeStyle = COLOURS.water;
      for (const stream of piece.tile.stream) {
        if (!isSeen(stream, piece.seen)) continue;
        brush.lineWidth = pixel(STREAM[stream.kind] * Math.max(0.6, (zoom - 9) / 4));
        brush.stroke(stream.path);
      }
      brush.strokeStyle = RAIL;
      for (const rail of piece.tile.rail) {
        if (!isSeen(rail, piece.seen)) continue;
        brush.lineWidth = pixel(rail.kind === "tram" ? 0.7 : zoom > 13 ? 1.4 : 1);
        brush.stroke(rail.path);
      }
    });
  }
}

function roadWidth(kind, zoom) {
  return ROADS[kind][0] * (zoom >= 14 ? 1.45 ** (zoom - 14) : 0.78 ** (14 - zoom));
}

/** All casings of a class of roads lie under all of its fills, or junctions would show seams. */
function roads(brush, pieces, zoom, ratio) {
  for (const piece of pieces) {
    within(brush, piece, ratio, (pixel) => {
      brush.lineJoin = brush.lineCap = "round";
      const seen = piece.tile.road.filter((road) => ROADS[road.kind] && isSeen(road, piece.seen, pixel(12)));
      const draw = (road, colour, width) => {
        brush.strokeStyle = colour;
        brush.lineWidth = pixel(width);
        brush.stroke(road.path);
      };
      for (const road of seen) {
        if (zoom >= ROADS[road.kind][1]) draw(road, CASING, roadWidth(road.kind, zoom) + 1.6);
      }
      for (const kind of Object.keys(ROADS)) {
        brush.setLineDash(kind === "path" || kind === "track" ? [pixel(3), pixel(3)] : []);
        for (const road of seen) if (road.kind === kind) draw(road, ROADS[kind][2], roadWidth(kind, zoom));
      }
      brush.setLineDash([]);
    });
  }
}

function labels(brush, pieces, zoom, size) {
  const taken = [];
  const isFree = (box) => box[0] > 2 && box[1] > 2 && box[2] < size - 2 && box[3] < size - 2
    && !taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
  brush.textAlign = "center";
  brush.textBaseline = "middle";
  brush.lineJoin = "round";
  brush.strokeStyle = TEXT.halo;
  for (const piece of pieces) placeNames(brush, piece, zoom, isFree, taken);
  if (zoom >= 14) streetNames(brush, pieces, zoom, isFree, taken);
}

function write(brush, text, width) {
  brush.lineWidth = width;
  brush.strokeText(text, 0, 0);
  brush.fillText(text, 0, 0);
}

function placeNames(brush, piece, zoom, isFree, taken) {
  if (zoom > 16) return;
  for (const place of piece.tile.places) {
    if (zoom < PLACE_FROM[place.kind] || (place.kind === "city" && zoom > 14)) continue;
    const height = PLACE_SIZE[place.kind];
    brush.font = `500 ${height}px ${FONT}`;
    const half = brush.measureText(place.name).width / 2 + 6;
    const [x, y] = [piece.x + place.x * piece.k, piece.y + place.y * piece.k];
    const box = [x - half, y - height, x + half, y + height];
    if (place.x < 0 || place.y < 0 || place.x >= UNITS || place.y >= UNITS || !isFree(box)) continue;
    taken.push(box);
    brush.save();
    brush.translate(x, y);
    brush.fillStyle = TEXT.place;
    write(brush, place.name, 3.5);
    brush.restore();
  }
}

/** Each street once, along the longest stretch of it that is nearly straight and long enough. */
function streetNames(brush, pieces, zoom, isFree, taken) {
  const height = zoom > 16 ? 12 : 11;
  brush.font = `400 ${height}px ${FONT}`;
  brush.fillStyle = TEXT.street;
  const best = new Map();
  for (const piece of pieces) {
    for (const road of piece.tile.road) {
      if (!road.name || road.kind === "path" || !isSeen(road, piece.seen)) continue;
      for (const stretch of straight(road.list, piece)) {
        const known = best.get(road.name);
        const rank = Object.keys(ROADS).indexOf(road.kind);
        if (!known || stretch.length > known.length) best.set(road.name, { ...stretch, rank });
      }
    }
  }
  for (const [name, at] of [...best].sort((a, b) => b[1].rank - a[1].rank || b[1].length - a[1].length)) {
    const width = brush.measureText(name).width;
    if (at.length < width + 8) continue;
    const [half, up] = [Math.abs(Math.cos(at.angle)) * width / 2 + 7, Math.abs(Math.sin(at.angle)) * width / 2 + 7];
    const box = [at.x - half, at.y - up, at.x + half, at.y + up];
    if (!isFree(box)) continue;
    taken.push(box);
    brush.save();
    brush.translate(at.x, at.y);
    brush.rotate(at.angle);
    write(brush, name, 3);
    brush.restore();
  }
}

/** Stretches of a line, on the screen, whose direction changes by less than 20 degrees. */
function* straight(list, piece) {
  const screen = list.map(([x, y]) => [piece.x + x * piece.k, piece.y + y * piece.k]);
  let start = 0;
  for (let at = 1; at < screen.length; at += 1) {
    const next = screen[at + 1];
    const [a, b] = [screen[start], screen[at]];
    const angle = Math.atan2(b[1] - a[1], b[0] - a[0]);
    const turn = next ? Math.abs(((Math.atan2(next[1] - b[1], next[0] - b[0]) - angle + 3 * Math.PI) % (2 * Math.PI)) - Math.PI) : Infinity;
    if (turn < 0.35) continue;
    const length = Math.hypot(b[0] - a[0], b[1] - a[1]);
    const upright = Math.abs(angle) > Math.PI / 2 ? angle + Math.PI : angle;
    yield { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, length, angle: upright };
    start = at;
  }
}
