"""Everything that can be wrong with a request: one table of codes.

A code never changes its meaning; programs may rely on it. The message says what happened in this case, ``do``
what to do about it. The table is printed in ``docs/api-errors.md`` (a test keeps the two equal).
"""

from typing import NamedTuple

from gateway.api.messages import Reply, reply_json
from gateway.errors import CommandError, GatewayError, JournalError


class Row(NamedTuple):
    """One code."""

    status: int
    meaning: str
    do: str


PROBLEMS: dict[str, Row] = {
    "bad_request": Row(400, "The request is not HTTP as we read it.", "Send a well-formed HTTP/1.1 request."),
    "bad_json": Row(400, "The body is not JSON, or nested too deeply.", "Send JSON, at most 32 levels deep."),
    "bad_field": Row(400, "A field is missing, unknown, of the wrong type or out of range.", "Correct the field that the message names."),
    "not_logged_in": Row(401, "Nobody is logged in, the session has ended, or the token is wrong.", "Log in, or send a valid token."),
    "not_authentic": Row(
        401,
        "The signature is not valid, not fresh, or not of a key that may do this.",
        "Check key id, secret, clock (300 s) and that each message has a new id.",
    ),
    "wrong_login": Row(401, "User or password is wrong.", "Try again; after several failures wait for the time in Retry-After."),
    "wrong_token": Row(401, "The one-time token is wrong, used or older than 15 minutes.", "Restart the gateway to have a new one printed."),
    "forbidden": Row(403, "This role may not do this, or not to this object.", "Ask somebody whose role may; roles stand in the API document."),
    "csrf": Row(403, "The request does not come from our own pages.", "Send the header X-Csrf-Token from /api/v1/me and the page's own Origin."),
    "not_found": Row(404, "There is nothing at this address.", "See /api/v1/openapi.json for what there is."),
    "unknown_alarm": Row(404, "No alarm with this id is visible to you.", "List the alarms that are: GET /api/v1/alarms."),
    "unknown_device": Row(404, "No device with this id is registered.", "List devices, or register it with PUT."),
    "unknown_order": Row(404, "This device has no order with this id that is still at hand.", "List its orders; the journal has the older ones."),
    "unknown_case": Row(404, "No case with this reference is registered.", "List cases, or register it with PUT."),
    "unknown_unit": Row(404, "No unit with this call sign is registered.", "List units, or register it with PUT."),
    "unknown_user": Row(404, "No user with this id is registered.", "List users, or register the user with PUT."),
    "unknown_centre": Row(404, "No centre with this id is configured.", "Use the id of a [[centre]] of the configuration."),
    "method_not_allowed": Row(405, "This address does not take this method.", "Use a method that the Allow header names."),
    "too_slow": Row(408, "The request was not complete in time.", "Send head within 10 s and body within 30 s."),
    "ended": Row(409, "The alarm has ended or is resolved already.", "Read the alarm; a supervisor can reopen a resolved one."),
    "pending": Row(409, "The alarm still counts down; nobody was alerted yet.", "Wait until it is raised."),
    "not_resolved": Row(409, "Only a resolved alarm can be reopened.", "Read the alarm and act on its present state."),
    "not_a_test": Row(409, "The alarm is no test.", "Nothing needs to be done: it is treated as real."),
    "no_such_order": Row(409, "The protocol of this device has no such order.", "Ask for something that it has; see docs/carrier.md."),
    "no_alarm": Row(
        409, "The device has no open alarm that allows this.", "Nobody is located without an alarm; a confirmation follows a centre's acceptance."
    ),
    "conflict": Row(409, "This contradicts what is registered already.", "Change or remove what the message names first."),
    "too_large": Row(413, "The body is larger than 256 KiB, or comes in too many pieces.", "Send less, or in several requests."),
    "wrong_encoding": Row(415, "Bodies with Content-Encoding are not accepted.", "Send the body as it is."),
    "bad_outcome": Row(422, "No such outcome code.", "Use one of the codes in the API document."),
    "unreadable": Row(422, "The message is none that we read.", "Do not bring it again; look at what the message names."),
    "reason_missing": Row(422, "This needs a reason.", "Say why; it stands in the record."),
    "wrong_use": Row(422, "The registry does not accept this.", "Correct what the message names."),
    "too_many": Row(429, "Too many attempts or requests from there.", "Wait for the time in Retry-After."),
    "head_too_large": Row(431, "The head of the request is larger than 16 KiB.", "Send fewer or shorter header fields."),
    "internal": Row(500, "We are wrong. The failure is counted and logged.", "Report the id of this answer to the operations team."),
    "not_durable": Row(
        503,
        "The journal cannot make anything durable now, so nothing is accepted.",
        "Repeat the same request until it is answered with 2xx.",
    ),
    "busy": Row(503, "Too many requests of this kind are being worked on.", "Repeat after the time in Retry-After."),
}


class Refused(GatewayError):
    """A request that is answered with a problem instead of what it asked for."""

    def __init__(self, code: str, message: str = "", headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message or PROBLEMS[code].meaning)
        self.code = code
        self.headers = headers


def problem(code: str, message: str = "", request_id: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """The answer that carries a problem."""
    row = PROBLEMS[code]
    body = {"error": {"code": code, "message": message or row.meaning, "do": row.do, "id": request_id}}
    return reply_json(body, row.status, headers=headers)


def problem_of(error: GatewayError, request_id: str = "") -> Reply:
    """The answer to an error that the world or the caller made."""
    if isinstance(error, Refused):
        return problem(error.code, str(error), request_id, error.headers)
    if isinstance(error, CommandError):
        code = error.code if error.code in PROBLEMS else "wrong_use"
        return problem(code, str(error), request_id)
    if isinstance(error, JournalError):
        return problem("not_durable", "", request_id, (("retry-after", "1"),))
    return problem("internal", "", request_id)


def document() -> str:
    """The table as the documentation page prints it."""
    rows = "\n".join(f"| `{code}` | {row.status} | {row.meaning} | {row.do} |" for code, row in PROBLEMS.items())
    return f"{_PREAMBLE}\n| code | status | what happened | what to do |\n|---|---|---|---|\n{rows}\n"


_PREAMBLE = """# Errors of the API

Every answer that is not 2xx (but those to an SMS bridge, whose bodies are empty) has the body
`{"error":{"code":"…","message":"…","do":"…","id":"…"}}`. A code never changes its meaning. `message` says what
happened this time, `do` what to do about it, `id` names the request in the gateway's log. Nothing was accepted
unless the answer is 2xx.
"""


if __name__ == "__main__":
    print(document(), end="")
