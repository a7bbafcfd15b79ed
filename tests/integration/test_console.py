"""The console in a real browser: what an operator sees, and what each key does."""

import json
import re
from pathlib import Path

import pytest

from gateway.maps.reading import survey
from gateway.maps.tiles import TileFile, build

from . import browser as browser_module
from .browser import Browser
from .stand_in_gateway import PAGES, StandIn, alarm, time_text

HELSINKI = Path(__file__).resolve().parents[2] / "gateway" / "sim" / "data" / "helsinki.osm.pbf"
EXPECTED_COMPLAINTS = ("getImageData", "401 (Unauthorized)", "409 (Conflict)", "ERR_INCOMPLETE_CHUNKED_ENCODING", "ERR_CONNECTION_REFUSED")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not browser_module.is_here(), reason="Debian's chromium and chromedriver are not here"),
]

UNITS = [
    {"unit": "H-21", "lat": 60.1725, "lon": 24.9490, "age_s": 3, "course_deg": 190, "speed_kmh": 44, "status": "available"},
    {"unit": "H-07", "lat": 60.1680, "lon": 24.9400, "age_s": 5, "status": "busy"},
    {"unit": "H-11", "lat": 60.1710, "lon": 24.9450, "age_s": 900, "status": "off"},
    {"unit": "H-99", "status": "available"},
]


@pytest.fixture(scope="module")
def tiles(tmp_path_factory):
    path = tmp_path_factory.mktemp("tiles") / "helsinki.tiles"
    build(survey(HELSINKI), path, HELSINKI.name)
    file = TileFile(path)
    yield file
    file.close()


@pytest.fixture(scope="module")
def window():
    with Browser() as window:
        yield window


@pytest.fixture(scope="module")
def stand_in(tiles):
    with StandIn(tiles) as stand_in:
        yield stand_in


@pytest.fixture
def gateway(stand_in, window):
    """The stand-in as at the beginning; afterwards the page must not have complained."""
    stand_in.as_at_the_beginning()
    stand_in.units = UNITS
    yield stand_in
    said = [line for line in window.complaints() if not any(part in line for part in EXPECTED_COMPLAINTS)]
    assert said == [], "the page complains"


def opened(window, gateway, *alarms, afresh=False):
    """The console with these alarms. The page stays open from test to test unless the user has changed."""
    me = json.dumps(gateway.me)
    if afresh or window.run("return window.openedFor ?? ''") != me + gateway.url:
        gateway.alarms = []
        window.open(gateway.url)
        window.wait_text(".link", "Connected")
        window.run("window.openedFor = arguments[0]", me + gateway.url)
    for shown in ([], list(alarms)):
        gateway.alarms = shown
        gateway.say("reset", {"alarms": shown, "now": time_text()})
        window.wait("the alarms", lambda shown=shown: len(window.texts(".card-title")) == len(shown))
    return window


def request(gateway, path):
    """The next request that changes something; it must be this one, with the session's token."""
    method, asked, body, token = gateway.asked.get(timeout=20)
    assert (method, token) == ("POST", "token-of-the-session") and asked.endswith(path), asked
    return body


def test_an_alarm_that_comes_is_shown_selected_and_spoken(window, gateway):
    page = opened(window, gateway)
    assert "No open alarm" in page.text(".nothing")
    gateway.change("raised", alarm(ago_s=2))
    page.wait_text(".detail h2", "Stalking alarm")
    assert "Nobody has taken it" in page.text(".owner-line")
    assert page.text(".unit.first .call-sign") == "H-21" and page.text(".unit.first .drive") == "3 min"
    page.wait("the spoken text", lambda: "Unit H-21 can be there in 3 min" in page.run("return document.getElementById('announce-now').textContent"))
    assert page.run("return document.getElementById('announce-now').getAttribute('aria-live')") == "assertive"
    assert page.run("return document.activeElement === document.body"), "an alarm never steals the focus"


def test_a_call_taker_sees_what_five_seconds_need(window, gateway):
    page = opened(window, gateway, alarm(ago_s=42, repeat_count=1, late=True, doubts=["overlap", "brand_new_doubt"]))
    whole = page.text(".detail")
    for part in (
        "0F3A11", "button", "Covert alarm", "Aleksanterinkatu 12", "within 18 m", "satellite", "moving at 4 km/h to the east", "seconds ago",
        "H-07", "4 min", "1.3 km", "quickest of 6 available units", "2 units not considered", "HE-2026-0042", "high risk", "zone 5415",
        "Rear entrance", "Battery 80 %", "SIM confirmed by the carrier", "Responsible: east", "Pressed 2 times", "Arrived late",
        "Two centres answer", "brand new doubt",
    ):  # fmt: skip
        assert part in whole, part
    assert re.fullmatch(r"00:4\d", page.text(".big-timer"))
    page.click(".skipped summary")
    assert "not heard lately" in page.text(".skipped")


@pytest.mark.parametrize(("age_s", "look"), [(4, "fresh"), (31, "aging"), (121, "old")])
def test_an_ageing_position_says_so_in_words_and_shape(window, gateway, age_s, look):
    position = alarm()["position"] | {"age_s": age_s}
    page = opened(window, gateway, alarm(position=position))
    assert page.run("return document.querySelector('.age').className") == f"age age-{look}"
    assert {"fresh": "ago", "aging": "getting old", "old": ": old"}[look] in page.text(".age")


def test_what_is_missing_is_said_to_be_missing(window, gateway):
    bare = {"status": "none", "reason": "none of 4 units is available: 4 busy"}
    lacking = {"position": {"status": "none"}, "case": None, "responder": bare, "device": {"id": "x"}, "centre": None, "offered_to": []}
    page = opened(window, gateway, alarm(**lacking))
    whole = page.text(".detail")
    for part in ("sent no position", "No unit can be proposed", "4 busy", "No case is known", "Battery unknown", "No test on record"):
        assert part in whole, part
    assert "No centre chosen" in whole
    assert page.texts(".pin") == [] and page.texts(".age") == []


def test_a_listening_reference_is_shown_and_linked_only_where_it_is_an_address(window, gateway):
    page = opened(window, gateway, alarm(links={"live": None, "audio": "https://listen.example.be/12"}))
    assert page.run("return document.querySelector('.listen a').rel") == "noreferrer"
    page = opened(window, gateway, alarm(links={"live": None, "audio": "javascript:alert(1)"}))
    assert page.text(".listen") == "Listen in: javascript:alert(1)" and page.texts(".listen a") == []


def test_a_narrow_window_shows_the_list_the_map_and_the_detail_below_each_other(window, gateway):
    page = opened(window, gateway, alarm())
    try:
        page.resize(700, 900)
        boxes = "return ['.list', '.map', '.detail'].map((s) => document.querySelector(s).getBoundingClientRect())"
        tops = [(box["top"], box["height"]) for box in page.run(boxes)]
        assert tops == sorted(tops) and all(height > 100 for _, height in tops)
    finally:
        page.resize(1440, 900)


def test_a_straight_line_is_never_shown_as_a_road_time(window, gateway):
    responder = alarm()["responder"] | {"basis": "straight_line", "status": "pending", "reason": "road times follow"}
    page = opened(window, gateway, alarm(responder=responder))
    assert "not by road" in page.text(".slot-unit") and "still being computed" in page.text(".slot-unit")


def test_simulated_alarms_and_tests_look_like_it(window, gateway):
    page = opened(window, gateway, alarm(simulated=True), alarm("b" * 32, test=True, kinds=["test_press"]))
    assert page.texts(".card-title") == ["Stalking alarm", "Test"]
    assert "SIM-0F3A11" in page.texts(".card-id")[0] and "Simulated" in page.texts(".card .badge")
    shapes = "return [...document.querySelectorAll('.card .mark svg')].map((e) => e.getAttribute('class'))"
    assert page.run(shapes) == ["shape shape-alarm", "shape shape-test"]


def test_those_that_nobody_has_stand_first_then_those_that_wait_longest(window, gateway):
    taken = {"id": "east", "role": "primary", "also_offered_to": [], "taken_by": "mikko"}
    page = opened(
        window, gateway,
        alarm("a" * 32, 500, state="ACKED", centre=taken), alarm("b" * 32, 10), alarm("c" * 32, 100),
        alarm("d" * 32, 900, state="RESOLVED", outcome="ACCIDENTAL"), alarm("e" * 32, 700, test=True),
    )  # fmt: skip
    assert [text[:6] for text in page.texts(".card-id")] == ["CCCCCC", "BBBBBB", "AAAAAA", "EEEEEE", "DDDDDD"]
    assert page.texts(".owner")[2] == "Taken by mikko" and page.texts(".owner")[4] == "Resolved: Pressed by accident"


def test_taking_by_key_or_button_asks_the_gateway(window, gateway):
    seen = alarm()
    page = opened(window, gateway, seen)
    page.press("t")
    assert request(gateway, f"/alarms/{seen['alarm_id']}/take") == {}
    gateway.change("told", seen | {"state": "ACKED", "owner": "anna", "centre": seen["centre"] | {"taken_by": "east"}})
    page.wait_text(".owner-line", "Taken by anna")
    assert "Take" not in " ".join(page.texts(".action"))
    page.press("t")
    page.click(".send")
    assert request(gateway, "/ack") == {"level": "dispatched", "unit": "H-21"}


def test_closing_needs_an_outcome_and_a_reason(window, gateway):
    page = opened(window, gateway, alarm())
    page.press("c")
    assert page.run("return document.activeElement.name") == "outcome"
    page.click("dialog [type=submit]")
    assert page.run("return document.querySelector('dialog').open"), "not without an outcome"
    page.run("document.querySelector('[name=outcome]').value = 'REAL_ARREST'")
    page.click("dialog [type=submit]")
    assert page.run("return document.querySelector('dialog').open"), "not without a reason"
    page.fill("dialog textarea", "t: arrested at the door")
    page.click("dialog [type=submit]")
    assert request(gateway, "/resolve") == {"outcome": "REAL_ARREST", "note": "t: arrested at the door"}
    page.press("c")
    page.press("Escape")
    page.wait("the dialog closes", lambda: page.texts("dialog") == [])
    assert gateway.asked.empty()


def test_a_real_alarm_cannot_be_closed_as_a_test(window, gateway):
    page = opened(window, gateway, alarm())
    page.press("c")
    options = page.run("return [...document.querySelectorAll('[name=outcome] option')].map((e) => e.value)")
    assert "TEST" not in options and "UNKNOWN" in options
    page.press("Escape")


def test_handing_over_names_another_centre_and_why(window, gateway):
    page = opened(window, gateway, alarm())
    page.press("h")
    assert page.run("return [...document.querySelectorAll('[name=centre] option')].map((e) => e.value)") == ["west"]
    page.fill("dialog textarea", "she crossed the bridge")
    page.click("dialog [type=submit]")
    assert request(gateway, "/reassign") == {"centre": "west", "reason": "she crossed the bridge"}


def test_silence_is_local_and_ends_with_the_next_press(window, gateway):
    page = opened(window, gateway, alarm(last_press_at="2026-03-09T13:03:11Z"), afresh=True)
    page.click(".siren-bar button")
    assert page.texts(".siren-bar") == []
    page.wait("the title blinks", lambda: page.run("return document.title") == "1 ALARM")
    page.press("s")
    page.wait("the title is calm", lambda: page.run("return document.title") == "Alarm gateway")
    assert gateway.asked.empty(), "silence asks nobody"
    gateway.change("pressed", alarm(last_press_at="2026-03-09T13:04:00Z", repeat_count=1))
    page.wait("the title blinks again", lambda: page.run("return document.title") == "1 ALARM")


def test_a_refused_action_says_why_and_what_to_do(window, gateway):
    seen = alarm()
    refusal = {"error": {"code": "ended", "message": "It ended.", "do": "Read it.", "id": "1"}}
    gateway.answers["POST", f"/api/v1/alarms/{seen['alarm_id']}/take"] = (409, refusal)
    page = opened(window, gateway, seen)
    page.press("t")
    page.wait_text("dialog", "It ended.")
    assert "Read it." in page.text("dialog")
    page.press("Escape")


def test_the_history_is_told_in_sentences(window, gateway):
    seen = alarm()
    records = [{"at": f"2026-03-09T13:03:1{second}Z", "text": f"Sentence {number}."} for number, second in enumerate((1, 1, 2))]
    gateway.answers["GET", f"/api/v1/alarms/{seen['alarm_id']}/story"] = (200, {"alarm_id": seen["alarm_id"], "records": records})
    page = opened(window, gateway, seen)
    page.run("[...document.querySelectorAll('.more button')].find((e) => e.textContent === 'History').click()")
    page.wait_text(".story", "Sentence 2.")
    assert [bool(text) for text in page.run("return [...document.querySelectorAll('.story time')].map((e) => e.textContent)")] == [True, False, True]
    page.press("Escape")
    page.wait("the dialog closes", lambda: page.texts("dialog") == [])


def test_keys_are_left_alone_while_somebody_types(window, gateway):
    page = opened(window, gateway, alarm())
    page.press("n")
    page.fill("dialog textarea", "take the children too")
    page.click("dialog [type=submit]")
    assert request(gateway, "/note") == {"note": "take the children too"}
    assert gateway.asked.empty()


def test_the_list_is_walked_by_keys(window, gateway):
    page = opened(window, gateway, alarm("a" * 32, 90), alarm("b" * 32, 50))
    assert page.text(".sub").startswith("AAAAAA")
    page.press("j")
    page.wait_text(".sub", "BBBBBB")
    page.press("j")
    page.wait_text(".sub", "AAAAAA")
    page.press("k")
    page.wait_text(".sub", "BBBBBB")
    assert page.run("return document.activeElement.getAttribute('aria-current')") == "true"


def test_updates_leave_focus_and_open_details_alone(window, gateway):
    page = opened(window, gateway, alarm())
    page.click(".skipped summary")
    page.run("document.querySelector('.send').focus()")
    gateway.change("position", alarm(position=alarm()["position"] | {"lat": 60.1701, "address": "Mikonkatu 1"}))
    page.wait_text(".address", "Mikonkatu 1")
    assert page.run("return document.activeElement.className") == "send"
    assert page.run("return document.querySelector('.skipped').open")


def test_an_alarm_that_ends_leaves_the_screen(window, gateway):
    page = opened(window, gateway, alarm())
    gateway.change("closed", alarm(state="CLOSED", open=False))
    page.wait_text(".nothing", "No open alarm")
    assert page.texts(".detail") == [] and page.texts(".pin") == []
    gateway.change("raised", alarm("b" * 32))
    page.wait_text(".sub", "BBBBBB")
    gateway.say("gone", {"alarm_id": "b" * 32})
    page.wait_text(".nothing", "No open alarm")


def test_a_cut_stream_resumes_after_the_last_event(window, gateway):
    page = opened(window, gateway)
    gateway.change("raised", alarm())
    page.wait_text(".detail h2", "Stalking alarm")
    gateway.cut()
    page.wait("the stream resumes", lambda: gateway.resumed_from[-1:] == ["7"])
    gateway.change("told", alarm(state="ACKED", centre=alarm()["centre"] | {"taken_by": "mikko"}))
    page.wait_text(".owner-line", "Taken by mikko")


def test_a_silent_stream_turns_the_page_red(window, gateway):
    page = opened(window, gateway, alarm(), afresh=True)
    gateway.beats = False
    page.run("const real = performance.now.bind(performance); performance.now = () => real() + 13000")
    assert "NO CONNECTION" in page.wait("the red bar", lambda: page.texts(".cut"))[0]
    gateway.say("units", {"units": UNITS})
    page.wait("the red bar goes", lambda: page.texts(".cut") == [])
    page.open("about:blank")


def test_units_are_painted_where_they_are(window, gateway):
    page = opened(window, gateway, alarm())
    painted = """
      const c = document.querySelector('.units-canvas');
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((v) => v > 0)"""
    page.wait("units on the canvas", lambda: page.run(painted))
    gateway.say("units", {"units": []})
    page.wait("no units on the canvas", lambda: not page.run(painted))


def test_the_unit_that_comes_is_brought_into_view_as_soon_as_it_is_known(window, gateway):
    page = opened(window, gateway)
    gateway.say("units", {"units": []})
    gateway.change("raised", alarm(responder={"status": "pending", "reason": "road times follow"}))
    off_centre = """
      const [map, pin] = ['.map', '.pin'].map((name) => document.querySelector(name)?.getBoundingClientRect());
      return pin && Math.hypot(pin.x + pin.width / 2 - map.x - map.width / 2, pin.y + pin.height / 2 - map.y - map.height / 2)"""
    page.wait("the alarm in the middle of the map", lambda: (page.run(off_centre) or 99) < 5)
    gateway.say("units", {"units": UNITS})
    gateway.change("routed", alarm())
    page.wait("alarm and unit in view", lambda: page.run(off_centre) > 40)
    page.run("document.querySelector('.map').dispatchEvent(new Event('keydown'))")
    at_first = page.run(off_centre)
    gateway.say("units", {"units": [UNITS[0] | {"lat": 60.1760}]})
    gateway.change("position", alarm(position=alarm()["position"] | {"address": "Mikonkatu 3"}))
    page.wait_text(".address", "Mikonkatu 3")
    assert page.run(off_centre) == pytest.approx(at_first, abs=1), "a map that somebody moved stays"


def test_the_map_is_painted_from_our_own_tiles(window, gateway):
    page = opened(window, gateway)
    colours = """
      const seen = new Set();
      for (const c of document.querySelectorAll('.leaflet-tile')) {
        const data = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
        for (let at = 0; at < data.length; at += 4 * 97) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      }
      return [...seen].map((n) => '#' + n.toString(16).padStart(6, '0'))"""
    page.wait("land, water, green and buildings", lambda: {"#19232d", "#103447", "#1d322d", "#22303c"} <= set(page.run(colours)))
    assert "OpenStreetMap contributors" in page.text(".leaflet-control-attribution")
    assert page.run("return performance.getEntriesByType('resource').every((e) => e.name.startsWith(location.origin))")


def test_the_demo_panel_presses_simulated_buttons(window, gateway):
    page = opened(window, gateway)
    page.wait_text(".press", "Pendant")
    page.click(".press:nth-child(2)")
    assert request(gateway, "/api/v1/sim/press") == {"device": "Pendant"}


def test_without_simulation_there_is_no_demo_panel(window, gateway):
    gateway.me |= {"simulation": False}
    page = opened(window, gateway)
    assert page.texts(".demo") == [] and page.texts(".badge-simulation") == []


def test_who_may_not_act_gets_no_button(window, gateway):
    gateway.me |= {"role": "case_team", "may": ["open_feed", "list_alarms", "show_alarm"]}
    page = opened(window, gateway, alarm())
    assert [text.split("\n")[0] for text in page.texts(".action")] == ["Silence here"] and page.texts(".send") == []
    page.press("t")
    page.press("c")
    assert page.texts("dialog") == [] and gateway.asked.empty()


def test_nobody_gets_in_without_a_password(window, gateway):
    gateway.is_logged_in = False
    window.open(gateway.url)
    window.wait_text(".door h2", "Log in")
    gateway.answers["POST", "/api/v1/login"] = (401, {"error": {"code": "wrong_login", "message": "x", "do": "y", "id": "1"}})
    window.fill("[name=user]", "anna")
    window.fill("[name=password]", "wrong")
    window.press("Enter")
    window.wait_text(".fault", "User or password is wrong.")
    assert gateway.asked.get(timeout=20)[2] == {"user": "anna", "password": "wrong"}
    del gateway.answers["POST", "/api/v1/login"]
    window.fill("[name=password]", "right")
    window.press("Enter")
    window.wait_text(".link", "Connected")


def test_a_session_that_ends_leads_to_the_door(window, gateway):
    page = opened(window, gateway, alarm())
    gateway.is_logged_in = False
    gateway.say("logged_out", {})
    page.wait_text(".door h2", "Log in")
    assert page.texts(".card") == []


def test_the_first_start_makes_an_administrator(window, gateway):
    gateway.is_logged_in = False
    window.open("about:blank")
    window.open(f"{gateway.url}#setup=one-time")
    window.wait_text(".door h2", "First start")
    assert window.run("return [document.querySelector('[name=token]').value, location.hash]") == ["one-time", ""]
    gateway.me |= {"role": "admin", "may": ["list_users", "put_user", "remove_user", "who_am_i", "log_out"]}
    gateway.answers["GET", "/api/v1/users"] = (200, {"entries": [{"user_id": "root", "role": "admin", "active": True}]})
    window.fill("[name=user]", "root")
    window.fill("[name=password]", "correct horse battery")
    gateway.answers["POST", "/api/v1/setup"] = (200, {"name": "root", "role": "admin", "csrf": "x"})
    gateway.is_logged_in = True
    window.press("Enter")
    assert gateway.asked.get(timeout=20)[2] == {"token": "one-time", "user": "root", "password": "correct horse battery"}
    window.wait_text(".people h1", "Users")
    window.wait_text(".people td", "administrator")
    window.fill(".people-form [name=user]", "anna")
    window.fill(".people-form [name=password]", "another long password")
    window.click(".people-form [type=submit]")
    method, path, body, _ = gateway.asked.get(timeout=20)
    assert (method, path) == ("PUT", "/api/v1/users/anna")
    assert body == {"role": "operator", "password": "another long password", "active": True, "centre_id": "*"}


TITLES = {"nl": "Stalkingsalarm", "fr": "Alarme harcèlement", "de": "Stalking-Alarm", "en": "Stalking alarm"}


def test_every_language_is_spoken_whole(window, gateway):
    page = opened(window, gateway, alarm(), alarm("b" * 32, state="RESOLVED", outcome="TEST"))
    keys = json.loads((PAGES / "i18n" / "en.json").read_text())
    for language, title in TITLES.items():
        page.run("const s = document.querySelector('.language'); s.value = arguments[0]; s.dispatchEvent(new Event('change'))", language)
        page.wait_text(".detail h2", title)
        assert page.run("return document.documentElement.lang") == language
        shown = page.run("return document.body.innerText")
        assert not [key for key in keys if "." in key and key in shown], "a key instead of its text"


def test_text_stands_out_enough_from_its_ground(window, gateway):
    """WCAG AA: 4.5 to 1, for all text that is visible in the list, the bar and the detail."""
    page = opened(window, gateway, alarm(), alarm("b" * 32, test=True, simulated=True))
    weak = page.run(
        """
        const part = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
        const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
        const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return [n[0], n[1], n[2], n[3] ?? 1]; };
        const ground = (e) => {
          for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] > 0.5) return c; }
          return [16, 23, 30, 1];
        };
        const weak = [];
        for (const e of document.querySelectorAll('.bar *, .siren-bar *, .side *, .detail *')) {
          const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
          if (!own || !e.checkVisibility() || getComputedStyle(e).backgroundImage !== 'none' || e.closest('.badge, kbd, .dot')) continue;
          const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground(e))];
          const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          if (ratio < 4.5) weak.push(`${e.className || e.tagName} ${e.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
        }
        return weak"""
    )
    assert weak == []
