"""The HTTP/1.1 around the OsmAnd form: whole requests cut from a stream, and the answers to them.

Paper: RFC 9112. A request is its head, to the first empty line, and a body by Content-Length or in chunks; lines end in CRLF or
in a bare LF. Whatever has two readings (two lengths, a length beside chunks, a folded header line) is refused.
"""

import re
from typing import Final, NamedTuple

from gateway.errors import FrameError, Reason

REQUEST_LINE_BYTES_MAX: Final = 4_096
HEAD_BYTES_MAX: Final = 16_384
"Request line and header lines; the apps send a few hundred bytes."
BODY_BYTES_MAX: Final = 65_536
CHUNKS_MAX: Final = 256
"Chunks of one body: bounds the work of walking along them again with each piece that arrives."
CHUNK_LINE_BYTES_MAX: Final = 64
"Length and extensions of a chunk, and each line of a trailer."

METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"PATCH ", b"DELETE ", b"OPTIONS ", b"TRACE ", b"CONNECT ")
"All are delimited; the first two are read."
REQUEST_LINE: Final = re.compile(rb"([A-Z]{3,7}) ([!-~\x80-\xff]+) HTTP/1\.([01])")
HEADER: Final = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+):[ \t]*(.*?)[ \t]*", re.DOTALL)
LENGTH: Final = re.compile(rb"[0-9]{1,8}")
CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,6})[ \t]*(?:;.*)?", re.DOTALL)
ONLY_ONCE: Final = frozenset({b"content-length", b"transfer-encoding", b"content-type", b"host", b"authorization", b"content-encoding"})

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
"Accepted. The form allows a command for the app in the body; we send none."
BAD_REQUEST: Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NOT_FOUND: Final = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"No such device, or not its token: the same bytes, so that nobody learns which identities exist."


class Request(NamedTuple):
    """One request, its percent signs as they came."""

    method: bytes
    query: bytes
    media_type: bytes
    "In lower case, without parameters."
    authorization: bytes
    body: bytes


def bytes_of(data: bytes, at: int) -> int:
    """How many bytes the request that begins at ``at`` has: 0 when more must come, -1 when no request begins here.

    One that is longer than any of ours is delimited where that shows; ``request_untrusted`` then refuses it.
    """
    if not data.startswith(METHODS, at):
        return 0 if any(method.startswith(data[at : at + 8]) for method in METHODS) else -1
    line_end = data.find(b"\n", at, at + REQUEST_LINE_BYTES_MAX + 2)
    if line_end < 0:
        return REQUEST_LINE_BYTES_MAX + 2 if len(data) - at >= REQUEST_LINE_BYTES_MAX + 2 else 0
    end = head_end(data, at)
    if not end:
        return HEAD_BYTES_MAX if len(data) - at >= HEAD_BYTES_MAX else 0
    try:
        body = body_untrusted(data, end, headers_untrusted(data[line_end + 1 : end]))
    except FrameError:
        return end - at
    return 0 if body is None else body[1] - at


def head_end(data: bytes, at: int) -> int:
    """Where the body begins: behind the first empty line; 0 when there is none within ``HEAD_BYTES_MAX``."""
    ends = [data.find(mark, at, at + HEAD_BYTES_MAX) + len(mark) for mark in (b"\n\r\n", b"\n\n")]
    return min((end for end, mark in zip(ends, (3, 2), strict=True) if end >= mark), default=0)


def request_untrusted(raw: bytes) -> Request:
    """One whole request."""
    line, newline, _ = raw[: REQUEST_LINE_BYTES_MAX + 2].partition(b"\n")
    if len(line.rstrip(b"\r")) > REQUEST_LINE_BYTES_MAX or (not newline and len(raw) > REQUEST_LINE_BYTES_MAX):
        raise FrameError(Reason.LENGTH, REQUEST_LINE_BYTES_MAX, f"a request line of more than {REQUEST_LINE_BYTES_MAX} bytes")
    found = REQUEST_LINE.fullmatch(line.removesuffix(b"\r"))
    if not newline or not found:
        raise FrameError(Reason.FRAMING, 0, "no HTTP/1.1 request line")
    if found[1] not in (b"GET", b"POST"):
        raise FrameError(Reason.UNSUPPORTED, 0, f"GET or POST expected, {found[1].decode('ascii')} found")
    end = head_end(raw, 0)
    if not end:
        raise FrameError(Reason.LENGTH, min(len(raw), HEAD_BYTES_MAX), f"no end of the head within {min(len(raw), HEAD_BYTES_MAX)} bytes")
    headers = headers_untrusted(raw[len(line) + 1 : end])
    body = body_untrusted(raw, end, headers)
    if body is None:
        raise FrameError(Reason.LENGTH, len(raw), "the body is shorter than the head says")
    if body[1] != len(raw):
        raise FrameError(Reason.LENGTH, body[1], f"{len(raw) - body[1]} bytes behind the body")
    media_type = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return Request(found[1], found[2].partition(b"#")[0].partition(b"?")[2], media_type, headers.get(b"authorization", b""), body[0])


def headers_untrusted(lines: bytes) -> dict[bytes, bytes]:
    """The header fields by lower-case name."""
    headers: dict[bytes, bytes] = {}
    for line in lines.split(b"\n"):
        line = line.removesuffix(b"\r")
        if not line:
            continue
        found = HEADER.fullmatch(line)
        if not found:
            raise FrameError(Reason.FRAMING, 0, "a line of the head is no header field")
        name = found[1].lower()
        if name in headers and name in ONLY_ONCE:
            raise FrameError(Reason.FRAMING, 0, f"{name.decode('ascii')}: stands there twice")
        headers[name] = found[2]
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise FrameError(Reason.UNSUPPORTED, 0, "content-encoding: a body as it is expected")
    return headers


def body_untrusted(data: bytes, at: int, headers: dict[bytes, bytes]) -> tuple[bytes, int] | None:
    """The body that begins at ``at`` and where it ends; None while it is incomplete."""
    coding, length = headers.get(b"transfer-encoding"), headers.get(b"content-length")
    if coding is not None:
        if length is not None or coding.lower() != b"chunked":
            raise FrameError(Reason.FRAMING, at, "transfer-encoding: chunked without content-length expected")
        return chunks_untrusted(data, at)
    if length is None:
        return b"", at
    if not LENGTH.fullmatch(length):
        raise FrameError(Reason.FIELD, at, "content-length: a whole number expected")
    end = at + int(length)
    if end - at > BODY_BYTES_MAX:
        raise FrameError(Reason.LENGTH, at, f"a body of {int(length)} bytes; {BODY_BYTES_MAX} are possible")
    return (data[at:end], end) if end <= len(data) else None


def chunks_untrusted(data: bytes, at: int) -> tuple[bytes, int] | None:
    """A body in chunks, its trailer skipped: length in hex, CRLF, so many bytes, CRLF; the last one has length 0."""
    pieces: list[bytes] = []
    size = 0
    while True:
        line = chunk_line_untrusted(data, at)
        if line is None:
            return None
        found = CHUNK_SIZE.fullmatch(line[0])
        if not found:
            raise FrameError(Reason.FRAMING, at, "a chunk without a length")
        at, chunk_bytes = line[1], int(found[1], 16)
        size += chunk_bytes
        if size > BODY_BYTES_MAX or len(pieces) >= CHUNKS_MAX:
            raise FrameError(Reason.LENGTH, at, f"a body of more than {BODY_BYTES_MAX} bytes or {CHUNKS_MAX} chunks")
        if not chunk_bytes:
            break
        pieces.append(data[at : at + chunk_bytes])
        at += chunk_bytes
        ending = data[at : at + 2]
        if ending[:1] != b"\n" and not b"\r\n".startswith(ending):
            raise FrameError(Reason.FRAMING, at, "a chunk is longer than its length")
        if ending in (b"", b"\r"):
            return None
        at += 1 if ending[:1] == b"\n" else 2
    for _ in range(CHUNKS_MAX):
        line = chunk_line_untrusted(data, at)
        if line is None:
            return None
        at = line[1]
        if not line[0]:
            return b"".join(pieces), at
    raise FrameError(Reason.LENGTH, at, "a trailer without an end")


def chunk_line_untrusted(data: bytes, at: int) -> tuple[bytes, int] | None:
    """A line and where the next one begins; None while it is incomplete."""
    end = data.find(b"\n", at, at + CHUNK_LINE_BYTES_MAX)
    if end >= 0:
        return data[at:end].removesuffix(b"\r"), end + 1
    if len(data) - at >= CHUNK_LINE_BYTES_MAX:
        raise FrameError(Reason.LENGTH, at, f"a line of more than {CHUNK_LINE_BYTES_MAX} bytes between chunks")
    return None
