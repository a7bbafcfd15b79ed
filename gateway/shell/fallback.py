"""The human fallback: a text to the people on duty, by a link that needs no centre.

Two ways: SMS through a Kannel service (``sendsms``), or a program of the operator's that gets the text on its
standard input. A second implementation on purpose: it shares with the primary way as little as it can.
"""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import trio

from gateway.clock import Clock
from gateway.delivery.options import FallbackOptions
from gateway.delivery.webhook import Request
from gateway.errors import ConfigError, DeliveryError
from gateway.events import FallbackSent
from gateway.shell.bulkhead import LinkCounters, contained
from gateway.shell.centre import usable_url
from gateway.shell.dial import AddressBook, Network, call, secure, tls_context
from gateway.shell.exchange import Reply, ask_once

AT_ONCE_MAX = 4
"Texts that leave at the same time; the others wait their turn."
NUMBERS_MAX = 32
_NUMBER = re.compile(r"\+?[0-9]{3,15}")
_ACCEPTED = re.compile(rb"\s*[03]:")
"Kannel: 0 accepted for delivery, 3 queued for later delivery."


class Fallback:
    """Tells a person."""

    def __init__(self, options: FallbackOptions, clock: Clock, network: Network) -> None:
        """Raises: ConfigError for files or an address that cannot be used."""
        self.counters = LinkCounters(f"fallback {options.kind}")
        self._options = options
        self._network = network
        self._turns = trio.CapacityLimiter(AT_ONCE_MAX)
        if options.kind == "kannel":
            self._url = usable_url(options.url or "")
            self._tls = tls_context() if self._url.scheme == "https" else None
            self._book = AddressBook(network, clock, self._url.host, self._url.port)
            self._password = _text_in("fallback.password_file", options.password_file).strip()
            self._numbers = numbers_in("fallback.to_file", options.to_file)

    async def tell(self, alarm_id: str, text: str, *, simulated: bool) -> FallbackSent:
        """Send one text. Raises nothing but ``Cancelled``; what went wrong is in the event."""
        ok, reason = False, "crashed"
        if self._options.kind == "none":
            reason = "none"
        elif simulated and not self._options.test:
            reason = "simulated"
        else:
            with contained(self.counters):
                async with self._turns:
                    ok, reason = await (self._send_texts(text) if self._options.kind == "kannel" else self._run_program(text))
        return FallbackSent(alarm_id, self._options.kind, ok, reason)

    @property
    def has_texts(self) -> bool:
        """Whether a text can be sent to any number."""
        return self._options.kind == "kannel"

    async def text_to(self, number: str, text: str) -> bool:
        """Send one text to one number, behind those to people on duty. Raises nothing but ``Cancelled``."""
        accepted = False
        with contained(self.counters):
            async with self._turns:
                accepted = await self._send_text(number, text) == "accepted"
        return accepted

    async def _send_texts(self, text: str) -> tuple[bool, str]:
        """To every number at once; one that was accepted is enough."""
        results: list[str] = []

        async def send(number: str) -> None:
            results.append(await self._send_text(number, text))

        async with trio.open_nursery() as nursery:
            for number in self._numbers:
                nursery.start_soon(send, number)
        accepted = results.count("accepted")
        if accepted:
            return True, f"accepted {accepted} of {len(results)}"
        return False, results[0]

    async def _send_text(self, number: str, text: str) -> str:
        fields = {
            "username": self._options.username or "", "password": self._password, "to": number, "text": text, "charset": "UTF-8", "coding": "0",
        }  # fmt: skip
        joint = "&" if "?" in self._url.target else "?"
        headers = ((b"Host", self._url.authority.encode()), (b"User-Agent", b"alarm-gateway"), (b"Connection", b"close"))
        request = Request(self._url.target + joint + urlencode(fields), headers, b"", "GET")
        try:
            with trio.fail_after(self._options.timeout_s):
                reply = await self._exchange(request)
        except trio.TooSlowError:
            return "silent"
        except DeliveryError as error:
            return error.reason
        if 200 <= reply.status < 300 and _ACCEPTED.match(reply.body):
            return "accepted"
        return f"refused_{reply.status}"

    async def _exchange(self, request: Request) -> Reply:
        stream = await call(self._network, self._book, self._options.timeout_s)
        if self._tls is not None:
            stream = await secure(stream, self._tls, self._url, self._options.timeout_s)
        return await ask_once(stream, self._url.authority, request)

    async def _run_program(self, text: str) -> tuple[bool, str]:
        """Exit code 0 is success. A program that takes too long is killed."""
        try:
            with trio.fail_after(self._options.timeout_s):
                done = await trio.run_process(
                    list(self._options.command), stdin=text.encode(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
                )
        except trio.TooSlowError:
            return False, "silent"
        except OSError as error:
            return False, f"not_started_{type(error).__name__}"
        return done.returncode == 0, "accepted" if done.returncode == 0 else f"exit_{done.returncode}"


def numbers_in(key: str, path: str | None) -> tuple[str, ...]:
    """Telephone numbers, one a line; what follows a # is a remark. Raises: ConfigError, which shows no number."""
    numbers: list[str] = []
    for n, line in enumerate(_text_in(key, path).splitlines(), 1):
        number = re.sub(r"[ ./()-]", "", line.partition("#")[0].strip())
        if not number:
            continue
        if not _NUMBER.fullmatch(number):
            raise ConfigError([f"{key} {path}, line {n}: not a telephone number; write it as +32475000001"])
        numbers.append(number)
    if not 0 < len(numbers) <= NUMBERS_MAX:
        raise ConfigError([f"{key} {path}: holds {len(numbers)} numbers; write 1 to {NUMBERS_MAX}, one a line"])
    return tuple(dict.fromkeys(numbers))


def _text_in(key: str, path: str | None) -> str:
    try:
        return Path(path or "").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ConfigError([f"{key} {path or '(none)'}: {reason}; name a readable file"]) from None
