"""Who asks? Console sessions, tokens, the control socket, and callers that a signature or a secret path vouches for."""

import hashlib
import hmac
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from gateway.api.access import ROLES, may_see
from gateway.api.house import House, SdsBridge, SmsBridge
from gateway.api.messages import NOBODY, Principal, Request
from gateway.api.problems import Refused
from gateway.api.sessions import cookie_of
from gateway.model import Instant

TOKEN_PREFIX = "sha256:"
SAFE_METHODS = ("GET", "HEAD")


def identify(house: House, request: Request, roles: frozenset[str], parts: Mapping[str, str], now: Instant) -> Principal:
    """The caller of a route that these roles may call. Raises ``Refused`` for a proof that does not hold.

    A proof that is offered and wrong is refused even where a stranger would be let in.
    """
    if request.via_control_socket:
        return Principal("local", f"local:{request.local_user}")
    if "device" in roles:
        device_id = house.signed_device(request, now)
        if device_id is None:
            raise Refused("not_authentic", headers=(("x-gw-time", str(now.wall_us // 1_000_000)),))
        return Principal("device", device_id)
    if "bridge" in roles:
        if "name" in parts:
            return Principal("bridge", sds_bridge_of(house, request).name)
        bridge_of(house, request)
        return Principal("bridge", "sms")
    if "centre" in roles and request.header("webhook-signature"):
        return centre_caller(house, request, parts.get("alarm_id", ""), now)
    if request.header("authorization"):
        return token_caller(house, request)
    if cookie := cookie_of(request.header("cookie"), request.secure):
        session = house.sessions.find(cookie, now)
        if session is not None and house.registry.user(session.user.user_id) == session.user:
            require_own_page(house, request, session.csrf)
            return session.principal
    return NOBODY


def is_known(house: House, request: Request, now: Instant) -> bool:
    """Whether somebody who is logged in made this request. Raises nothing."""
    try:
        return identify(house, request, frozenset(), {}, now) != NOBODY
    except Refused:
        return False


def centre_caller(house: House, request: Request, alarm_id: str, now: Instant) -> Principal:
    """A centre, by its signature. Of centres that share a secret it is the one whose alarm this is."""
    signers = [Principal("centre", centre_id) for centre_id in house.callbacks.signers(request.headers, request.body, now)]
    if not signers:
        raise Refused("not_authentic")
    alarm = house.desk.alarm(alarm_id)
    return next((who for who in signers if alarm and may_see(who, alarm, house.registry)), signers[0])


def token_caller(house: House, request: Request) -> Principal:
    """A program with ``Authorization: Bearer USER:TOKEN``. One answer for every way in which it can be wrong."""
    scheme, _, credentials = request.header("authorization").partition(" ")
    user_id, _, token = credentials.strip().rpartition(":")
    user = house.registry.user(user_id) if scheme.lower() == "bearer" and user_id else None
    expected = user.secret_hash if user and user.secret_hash.startswith(TOKEN_PREFIX) else TOKEN_PREFIX + "0" * 64
    found = TOKEN_PREFIX + hashlib.sha256(token.encode()).hexdigest()
    if not hmac.compare_digest(found, expected) or user is None or not user.active or user.role not in ROLES:
        raise Refused("not_logged_in", headers=(("www-authenticate", "Bearer"),))
    return Principal(user.role, user.user_id, user.centre_id, user.zone)


def require_own_page(house: House, request: Request, csrf: str) -> None:
    """A request that changes something and carries a session cookie must come from our own page (R-69)."""
    if request.method in SAFE_METHODS:
        return
    require_own_origin(house, request)
    if not hmac.compare_digest(request.header("x-csrf-token").encode(), csrf.encode()):
        raise Refused("csrf")


def require_own_origin(house: House, request: Request) -> None:
    """Browsers say which page made a request that changes something; it must be one of ours."""
    origin = urlsplit(request.header("origin"))
    scheme = "https" if request.secure else "http"
    own = house.public_origin or f"{scheme}://{request.header('host')}"
    if not origin.netloc or f"{origin.scheme}://{origin.netloc}".lower() not in (own.lower(), f"{scheme}://{request.header('host')}".lower()):
        raise Refused("csrf", "The request names no Origin, or not our own.")


def bridge_of(house: House, request: Request) -> SmsBridge:
    """The SMS bridge whose secret path and network this request has. Raises ``Refused`` as if nothing were there."""
    secret = request.path.rpartition("/")[2].encode()
    found = None
    for bridge in house.sms:
        if hmac.compare_digest(bridge.secret, secret):
            found = bridge
    if found is None or not is_within(request.peer, found):
        raise Refused("not_found")
    return found


def sds_bridge_of(house: House, request: Request) -> SdsBridge:
    """The TETRA gateway whose name, token and network this request has. Raises ``Refused`` as if nothing were there."""
    scheme, _, token = request.header("authorization").partition(" ")
    name = request.path.rpartition("/")[2]
    found = next((bridge for bridge in house.sds if bridge.name == name), None)
    proven = hmac.compare_digest(found.token if found else b"", token.strip().encode()) and scheme.lower() == "bearer"
    if found is None or not proven or not is_within(request.peer, found):
        raise Refused("not_found")
    return found


def is_within(peer: str, bridge: SmsBridge | SdsBridge) -> bool:
    """Whether a bridge may call from this address."""
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in network for network in bridge.networks)
