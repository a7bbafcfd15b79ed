"""Every route: one table from which dispatch, the role matrix and the API document are made. Default deny (R-65)."""

from collections.abc import Callable
from functools import cache

import msgspec
import orjson

from gateway import __version__
from gateway.api import access, alarms, doorstep, feeds, nouns, orders, presses, sds, shapes, system, units
from gateway.api.doors import Json
from gateway.api.house import House
from gateway.api.messages import JSON, Answer, Call, Reply, reply_json
from gateway.api.openapi import document
from gateway.api.route import EVENTS_TYPE, TEXT_TYPE, Route


def who_am_i(house: House, call: Call, given: None) -> Answer:
    """Who is logged in, what they may call, and the token that requests which change something must carry."""
    who = call.principal
    body = {
        "name": who.name,
        "role": who.role,
        "centre": who.centre_id,
        "zone": who.zone,
        "csrf": house.sessions.csrf_of(who.session_key),
        "may": [route.name for route in ROUTES if who.role in route.roles],
        "map": about_map(house),
        "centres": [{"id": centre_id, "name": house.centre_names.get(centre_id, centre_id)} for centre_id in sorted(house.centre_ids)],
        "simulation": house.is_simulation,
        "gateway": house.name,
        "version": __version__,
    }
    return reply_json(body)


def about_map(house: House) -> Json | None:
    """``shapes.MapAbout``."""
    if house.tiles is None:
        return None
    about = house.tiles.about
    return {"bounds": orjson.loads(about["bounds"]), "attribution": about["attribution"]}


def describe(house: House, call: Call, given: None) -> Answer:
    """This document."""
    return Reply(200, described(), JSON)


@cache
def described() -> bytes:
    """The OpenAPI document, made once."""
    return orjson.dumps(document(ROUTES))


def _noun(noun: str, entry: type, who: frozenset[str]) -> tuple[Route, ...]:
    path, one = f"/api/v1/{noun}s", f"/api/v1/{noun}s/{{id}}"
    unknown = (f"unknown_{noun}",)
    put = nouns.put_user if noun == "user" else nouns.putter(noun)
    return (
        Route("GET", path, who, nouns.lister(noun), gives=shapes.Entries, operation=f"list_{noun}s"),
        Route("GET", one, who, nouns.getter(noun), gives=shapes.Entry, problems=unknown, operation=f"get_{noun}"),
        Route("PUT", one, who, put, entry, shapes.Entry, problems=(*unknown, "conflict", "wrong_use"), operation=f"put_{noun}"),
        Route("DELETE", one, who, nouns.remover(noun), gives=shapes.Done, problems=(*unknown, "conflict"), operation=f"remove_{noun}"),
    )


def _act(word: str, who: frozenset[str], handler: Callable[..., Answer], takes: type) -> Route:
    problems = ("unknown_alarm", "ended", "pending", "not_resolved", "not_a_test", "bad_outcome", "reason_missing", "unknown_centre")
    return Route("POST", f"/api/v1/alarms/{{alarm_id}}/{word}", who, handler, takes, shapes.Outcome, problems=problems)


ROUTES: tuple[Route, ...] = (
    # ---- alarms come in
    Route("POST", "/api/v1/press", frozenset({"device"}), presses.press, gives=shapes.Pressed, raw=shapes.Press),
    Route("GET", "/sms/kannel/{secret}", frozenset({"bridge"}), presses.kannel, media=TEXT_TYPE, operation="sms_kannel_get"),
    Route("POST", "/sms/kannel/{secret}", frozenset({"bridge"}), presses.kannel, media=TEXT_TYPE, operation="sms_kannel_post"),
    Route("POST", "/sds/{name}", frozenset({"bridge"}), sds.sds, gives=shapes.Pressed, problems=("unreadable",)),
    # ---- alarms are looked at
    Route(
        "GET", "/api/v1/alarms", access.VIEWERS, alarms.list_alarms, gives=shapes.AlarmList,
        query=(("state", "open (default), all, or a state such as OFFERED"),),
    ),
    Route("GET", "/api/v1/alarms/{alarm_id}", access.VIEWERS, alarms.show_alarm, gives=shapes.AlarmSeen, problems=("unknown_alarm",)),
    Route("GET", "/api/v1/alarms/{alarm_id}/track", access.VIEWERS, alarms.show_track, gives=shapes.Track, problems=("unknown_alarm",)),
    Route("GET", "/api/v1/alarms/{alarm_id}/story", access.DISPATCH, alarms.show_story, gives=shapes.StoryTold, problems=("unknown_alarm",)),
    Route("GET", "/api/v1/events", access.VIEWERS, feeds.open_feed, media=EVENTS_TYPE),
    # ---- alarms are acted on
    _act("ack", access.DISPATCH | {"centre"}, alarms.acknowledge, shapes.Told),
    _act("take", access.DISPATCH, alarms.take, shapes.Take),
    _act("note", access.DISPATCH, alarms.add_note, shapes.Note),
    _act("resolve", access.DISPATCH, alarms.resolve, shapes.Resolution),
    _act("mark-real", access.DISPATCH, alarms.mark_real, shapes.Nothing),
    _act("extend-track", access.DISPATCH, alarms.extend_track, shapes.Extension),
    _act("stop-track", access.DISPATCH, alarms.stop_track, shapes.Nothing),
    _act("reopen", access.SUPERVISION, alarms.reopen, shapes.Because),
    _act("reassign", access.SUPERVISION, alarms.reassign, shapes.Reassignment),
    # ---- units
    Route("GET", "/api/v1/units/positions", access.DISPATCH, units.list_positions, gives=shapes.UnitsSeen),
    Route(
        "POST", "/api/v1/units/positions", frozenset({"unit", "carrier", "local"}), units.take_positions,
        list[msgspec.Raw], shapes.BatchStatus, raw=list[shapes.UnitFix],
    ),
    Route(
        "POST", "/api/v1/units/{id}/status", access.DISPATCH | {"unit"}, units.set_status,
        shapes.UnitStatus, shapes.Done, problems=("unknown_unit",),
    ),
    # ---- the registry
    *_noun("device", shapes.DeviceEntry, access.PROVISIONING),
    *_noun("case", shapes.CaseEntry, access.CASE_TEAM),
    *_noun("unit", shapes.UnitEntry, access.ADMINISTRATION | {"supervisor"}),
    *_noun("user", shapes.UserEntry, access.ADMINISTRATION),
    Route("GET", "/api/v1/incidents", access.CASE_TEAM, nouns.list_incidents, gives=shapes.Entries),
    Route("GET", "/api/v1/unknown-devices", access.PROVISIONING, nouns.list_unknown, gives=shapes.Entries),
    Route(
        "POST", "/api/v1/unknown-devices/{identity}/adopt", access.PROVISIONING, nouns.adopt,
        shapes.Adoption, shapes.Entry, problems=("unknown_device", "unknown_case", "conflict"),
    ),
    Route(
        "POST", "/api/v1/devices/{id}/test-window", access.PROVISIONING, nouns.open_test_window,
        shapes.Nothing, shapes.Done, problems=("unknown_device",),
    ),
    # ---- orders to devices
    Route("GET", "/api/v1/devices/{id}/orders", access.ORDERING, orders.list_orders, gives=shapes.OrderList, problems=("unknown_device",)),
    Route(
        "POST", "/api/v1/devices/{id}/orders", access.ORDERING, orders.ask_order,
        shapes.OrderWish, shapes.OrderSeen, problems=("unknown_device", "no_such_order", "no_alarm"), status=202,
    ),
    Route(
        "GET", "/api/v1/devices/{id}/orders/{order_id}", access.ORDERING, orders.show_order,
        gives=shapes.OrderSeen, problems=("unknown_device", "unknown_order"),
    ),
    # ---- in and out
    Route("POST", "/api/v1/login", access.PUBLIC, doorstep.log_in, shapes.Login, shapes.LoggedIn, problems=("wrong_login", "too_many", "busy")),
    Route("POST", "/api/v1/logout", access.EVERYBODY, doorstep.log_out, shapes.Nothing, shapes.Done),
    Route("POST", "/api/v1/setup", access.PUBLIC, doorstep.set_up, shapes.Setup, shapes.LoggedIn, problems=("wrong_token", "too_many", "busy")),
    Route("GET", "/api/v1/me", access.EVERYBODY, who_am_i, gives=shapes.Me),
    # ---- the gateway itself
    Route("GET", "/api/v1/health", access.RUNNERS, system.health, gives=shapes.Health),
    Route("GET", "/api/v1/openapi.json", access.PUBLIC, describe),
    Route("GET", "/metrics", access.PUBLIC | access.RUNNERS, system.metrics, media=TEXT_TYPE),
    Route("GET", "/healthz", access.PUBLIC, system.alive, gives=shapes.Alive),
    Route("GET", "/readyz", access.PUBLIC, system.ready, gives=shapes.Readiness),
    # ---- the simulation
    Route("GET", "/api/v1/sim/buttons", access.DISPATCH | {"admin"}, system.sim_buttons, gives=shapes.Entries),
    Route(
        "POST", "/api/v1/sim/press", access.DISPATCH | {"admin"}, system.sim_press,
        shapes.SimPress, shapes.Done, problems=("unknown_device",), status=202,
    ),
    # ---- pages
    Route("GET", "/tiles/{z}/{x}/{y}", access.EVERYBODY, system.tile),
    Route("GET", "/", access.PUBLIC, system.page, media="text/html", operation="console"),
    Route("GET", "/static/{file}", access.PUBLIC, system.page, media="*/*", operation="static_file"),
    Route("GET", "/static/{folder}/{file}", access.PUBLIC, system.page, media="*/*", operation="static_file_of_folder"),
    Route("GET", "/static/{folder}/{inner}/{file}", access.PUBLIC, system.page, media="*/*", operation="static_file_inside"),
)  # fmt: skip
