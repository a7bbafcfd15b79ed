"""A gateway that says what the test tells it to: the real pages, the real tiles, a scripted API."""

import json
import mimetypes
import queue
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path

PAGES = Path(str(files("gateway.api") / "pages"))
LEAFLET = Path(str(files("xstatic.pkg.leaflet") / "data"))
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'"
OPERATOR_MAY = [
    "list_alarms", "show_alarm", "show_track", "show_story", "open_feed", "acknowledge", "take", "add_note", "resolve", "mark_real",
    "extend_track", "stop_track", "reopen", "reassign", "list_positions", "sim_buttons", "sim_press", "log_out", "who_am_i", "tile",
]  # fmt: skip


def time_text(ago_s=0.0):
    return (datetime.now(UTC) - timedelta(seconds=ago_s)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def alarm(alarm_id="0f3a11aa22bb33cc44dd55ee66ff7788", ago_s=42.0, **more):
    """An alarm as the stream gives it; ``more`` replaces whole keys."""
    seen = {
        "alarm_id": alarm_id, "seq": 1, "event": "raised", "kinds": ["sos_button"], "class": "life",
        "test": False, "simulated": False, "silent": True,
        "state": "DELIVERED", "repeat_count": 0, "late": False, "cancel_claimed": False, "trust": "T3", "doubts": [],
        "times": {"event_at": time_text(ago_s + 0.3), "received_at": time_text(ago_s), "durable_at": time_text(ago_s)},
        "device": {"id": "dev-0042", "protocol": "gt06", "transport": "tcp", "battery_percent": 80, "last_test_at": "2026-03-01T10:00:00Z"},
        "case": {"reference": "HE-2026-0042", "state": "ACTIVE", "zone": "5415", "risk": "high",
                 "instructions": "Two children in the flat. Rear entrance."},
        "position": {"status": "fix", "lat": 60.1699, "lon": 24.9420, "accuracy_m": 18.0, "at": time_text(4), "age_s": 4.0, "source": "gnss",
                     "speed_kmh": 4.0, "course_deg": 90.0, "address": "Aleksanterinkatu 12, Helsinki"},
        "centre": {"id": "east", "role": "primary", "also_offered_to": [], "taken_by": None},
        "responder": {"status": "proposed", "basis": "road", "data_version": "helsinki", "unit": "H-21", "travel_s": 132, "distance_m": 910,
                      "position_age_s": 3, "reason": "quickest of 6 available units",
                      "alternatives": [{"unit": "H-07", "travel_s": 185, "distance_m": 1320}, {"unit": "H-12", "travel_s": 241, "distance_m": 1640}],
                      "skipped": [{"unit": "H-11", "reason": "position_old"}, {"unit": "H-03", "reason": "busy"}]},
        "links": {"live": None, "audio": None}, "open": True, "escalation": 0, "tracking": "ON", "device_silent": False, "offered_to": ["east"],
        "last_press_at": time_text(ago_s), "owner": None, "outcome": None, "unit_assigned": None, "linked_to": None,
    }  # fmt: skip
    return seen | more


class StandIn:
    """Serves until it is left. ``asked`` holds every request that changes something; ``answers`` replaces answers."""

    def __init__(self, tiles=None):
        self.tiles = tiles
        self.as_at_the_beginning()
        self._streams = []
        self._lock = threading.Lock()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                stand_in.serve(self, "GET", None)

            def do_POST(self):
                self._with_body("POST")

            def do_PUT(self):
                self._with_body("PUT")

            def _with_body(self, method):
                stand_in.serve(self, method, json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}"))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def as_at_the_beginning(self):
        """Forget what was asked and what was arranged; whoever is connected stays."""
        self.me = {
            "name": "anna", "role": "operator", "centre": "*", "zone": None, "csrf": "token-of-the-session", "may": OPERATOR_MAY, "simulation": True,
            "gateway": "Helsinki demo", "version": "0", "centres": [{"id": "east", "name": "Centre east"}, {"id": "west", "name": "Centre west"}],
            "map": self._map(),
        }  # fmt: skip
        self.is_logged_in = True
        self.asked = queue.Queue()
        self.answers = {}
        self.alarms = []
        self.units = []
        self.beats = True
        self.resumed_from = []
        "What each stream asked to go on after; None: from the beginning."

    def _map(self):
        about = self.tiles.about if self.tiles else None
        return about and {"bounds": json.loads(about["bounds"]), "attribution": about["attribution"]}

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with self._lock:
            for stream in self._streams:
                stream.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    # ------------------------------------------------------------------------------------------------ the stream

    def say(self, event, data, seq=None):
        """One event to every console."""
        text = (f"id: {seq}\n" if seq else "") + f"event: {event}\ndata: {json.dumps(data)}\n\n"
        with self._lock:
            for stream in self._streams:
                stream.put(text)

    def change(self, event, seen):
        """An alarm is new or another now."""
        self.alarms = [one for one in self.alarms if one["alarm_id"] != seen["alarm_id"]] + ([seen] if seen["open"] else [])
        self.say(event, seen, 7)

    def cut(self):
        """Break every stream."""
        with self._lock:
            for stream in self._streams:
                stream.put(None)
            self._streams.clear()

    def _stream(self, handler):
        own = queue.Queue()
        with self._lock:
            self._streams.append(own)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        own.put("retry: 200\n\n")
        last = handler.headers.get("Last-Event-ID")
        self.resumed_from.append(last)
        if last is None:
            own.put(f"id: 1\nevent: reset\ndata: {json.dumps({'alarms': self.alarms, 'now': time_text()})}\n\n")
        own.put(f"event: units\ndata: {json.dumps({'units': self.units})}\n\n")
        while True:
            try:
                text = own.get(timeout=1.0)
            except queue.Empty:
                if not self.beats:
                    continue
                text = f": beat\nevent: beat\ndata: {json.dumps({'now': time_text()})}\n\n"
            if text is None:
                return
            try:
                handler.wfile.write(text.encode())
                handler.wfile.flush()
            except OSError:
                return

    # -------------------------------------------------------------------------------------------------- requests

    def serve(self, handler, method, body):
        path = handler.path.partition("?")[0]
        if method != "GET":
            self.asked.put((method, path, body, handler.headers.get("X-Csrf-Token")))
        if (method, path) in self.answers:
            status, said = self.answers[method, path]
            return self._json(handler, said, status)
        if path == "/api/v1/login":
            self.is_logged_in = True
            return self._json(handler, {"name": "anna", "role": "operator", "csrf": "x"})
        if path.startswith("/api/v1/") and not self.is_logged_in:
            return self._json(handler, {"error": {"code": "not_logged_in", "message": "Nobody is logged in.", "do": "Log in.", "id": "1"}}, 401)
        if path == "/api/v1/me":
            return self._json(handler, self.me)
        if path == "/api/v1/events":
            return self._stream(handler)
        if path.endswith("/track"):
            way = [[60.1725, 24.9490], [60.1712, 24.9484], [60.1700, 24.9476], [60.1692, 24.9440], [60.1699, 24.9420]]
            points = [{"lat": 60.1699 - at * 0.0002, "lon": 24.9420 - at * 0.0006, "received_at": time_text(at * 10)} for at in range(6, 0, -1)]
            return self._json(handler, {"alarm_id": "x", "points": points, "way": way})
        if path == "/api/v1/sim/buttons":
            names = (("Watch", "watch"), ("Pendant", "gt06"), ("Vehicle tracker", "teltonika"), ("Phone app", "app"))
            return self._json(handler, {"entries": [{"device": name, "protocol": protocol, "label": name} for name, protocol in names]})
        if path.startswith("/tiles/"):
            return self._tile(handler, path)
        if path.startswith("/api/v1/"):
            return self._json(handler, {"done": True, "entries": [], "records": []})
        return self._file(handler, path)

    def _tile(self, handler, path):
        found = self.tiles.get(*map(int, path.split("/")[2:5])) if self.tiles else None
        if found is None:
            return self._send(handler, 404, "application/json", b"{}")
        return self._send(handler, 200, "application/json", found, ("Content-Encoding", "gzip"))

    def _file(self, handler, path):
        name = path.removeprefix("/static/") if path != "/" else "index.html"
        file = LEAFLET / name.removeprefix("leaflet/") if name.startswith("leaflet/") else PAGES / name
        if not file.is_file():
            return self._send(handler, 404, "text/plain", b"not found")
        media = "text/javascript" if name.endswith(".js") else mimetypes.guess_type(name)[0]
        return self._send(handler, 200, media, file.read_bytes())

    def _json(self, handler, body, status=200):
        self._send(handler, status, "application/json", json.dumps(body).encode())

    def _send(self, handler, status, media, body, *headers):
        handler.send_response(status)
        for name, value in (("Content-Type", media), ("Content-Length", str(len(body))), ("Content-Security-Policy", POLICY), *headers):
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)
