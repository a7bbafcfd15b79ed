"""In and out: log in, log out, who am I, and the first administrator."""

from gateway.api.house import House
from gateway.api.identify import TOKEN_PREFIX, require_own_origin
from gateway.api.messages import Answer, Call, Errand, reply_json
from gateway.api.problems import Refused
from gateway.api.sessions import cookie_header
from gateway.api.shapes import Login, Nothing, Setup
from gateway.model import Instant, User

NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21lc2FsdA$Bqm8m9qTr5mUrG2aVnP4kpJSvWq6Wq3E6Bzv8wLr1nM"
"Verified in place of an unknown user's, so that the answer takes as long."


def log_in(house: House, call: Call, given: Login) -> Answer:
    """Open a console session with user and password. One answer for every way in which they can be wrong."""
    if call.request.header("origin"):
        require_own_origin(house, call.request)
    peer = call.request.peer
    if wait_s := house.throttle.wait_s(given.user, peer, call.now):
        raise Refused("too_many", headers=(("retry-after", str(wait_s)),))
    user = house.registry.user(given.user)
    is_person = user is not None and user.active and not user.secret_hash.startswith(TOKEN_PREFIX)
    known_hash = user.secret_hash if user is not None and is_person else NOBODYS_HASH
    house.throttle.failed(given.user, peer, call.now)  # counted before the slow check: guesses in parallel count as well

    def decide(fits: object, now: Instant) -> Answer:
        present = house.registry.user(given.user)
        if fits is not True or user is None or not is_person or present != user:
            raise Refused("wrong_login")
        house.throttle.succeeded(given.user, peer)
        return welcome(house, call, user, now)

    return Errand("password", lambda: house.verify_secret(known_hash, given.password), decide)


def welcome(house: House, call: Call, user: User, now: Instant) -> Answer:
    """A new session; its cookie goes along."""
    cookie, session = house.sessions.start(user, now)
    body = {"name": user.user_id, "role": user.role, "csrf": session.csrf}
    return reply_json(body, headers=(cookie_header(cookie, call.request.secure),))


def log_out(house: House, call: Call, given: Nothing) -> Answer:
    """End this session."""
    if call.principal.session_key:
        house.sessions.end(call.principal.session_key)
    return reply_json({"done": True}, headers=(cookie_header("", call.request.secure),))


def set_up(house: House, call: Call, given: Setup) -> Answer:
    """Make the first administrator with the one-time token that the first start printed. Works once, for 15 minutes."""
    peer = call.request.peer
    if wait_s := house.throttle.wait_s("setup", peer, call.now):
        raise Refused("too_many", headers=(("retry-after", str(wait_s)),))
    if not house.setup.fits(given.token, call.now):
        house.throttle.failed("setup", peer, call.now)
        raise Refused("wrong_token")

    def enter(secret_hash: object, now: Instant) -> Answer:
        if not house.setup.fits(given.token, now):
            raise Refused("wrong_token")  # somebody else was quicker while we hashed
        fields = {"role": "admin", "active": True, "secret_hash": secret_hash}

        def welcome_admin(entry: object, then: Instant) -> Answer:
            user = house.registry.user(given.user)
            assert user is not None, "a user that was just entered"
            house.setup.spend()
            return welcome(house, call, user, then)

        return Errand("registry", lambda: house.registry.put("user", given.user, fields, "setup", now.wall_us), welcome_admin)

    return Errand("password", lambda: house.hash_secret(given.user, given.password), enter)
