"""Callbacks of centres: who signed them, and whether they came before.

The signature says which centre speaks (Standard Webhooks in reverse); the message id makes a repetition harmless.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence

from gateway.delivery.webhook import verify_callback
from gateway.errors import CallbackError, CommandError
from gateway.model import Instant

KEPT_MAX = 65_536
"Callbacks remembered; a centre repeats within minutes, not after so many others."


class CentreCallbacks:
    """What ``api.doors.Callbacks`` asks for."""

    def __init__(self, secrets: Mapping[str, Sequence[bytes]]) -> None:
        """``secrets``: by centre id; a centre without any cannot call back."""
        self._secrets = {centre_id: tuple(keys) for centre_id, keys in secrets.items() if keys}
        self._taken: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def signers(self, headers: Mapping[str, str], body: bytes, now: Instant) -> Sequence[str]:
        """The centres whose secret signed this lately; several when they share one. Every secret is tried: how long it
        takes tells nobody which one was nearly right.
        """
        return [centre_id for centre_id, keys in self._secrets.items() if self._fits(keys, headers, body, now)]

    @staticmethod
    def _fits(keys: Sequence[bytes], headers: Mapping[str, str], body: bytes, now: Instant) -> bool:
        try:
            verify_callback(keys, headers, body, now.wall_us)
        except CallbackError:
            return False
        return True

    def is_repetition(self, centre_id: str, message_id: str, body: bytes) -> bool:
        """Whether this very callback was taken already.

        Raises: CommandError ``conflict``: its id came before with another body.
        """
        known = self._taken.get((centre_id, message_id))
        if known is None:
            return False
        if known != hashlib.sha256(body).digest():
            raise CommandError(f"webhook-id {message_id} came before with another body; give each message its own id", code="conflict")
        return True

    def remember(self, centre_id: str, message_id: str, body: bytes) -> None:
        """It is durable."""
        self._taken[centre_id, message_id] = hashlib.sha256(body).digest()
        if len(self._taken) > KEPT_MAX:
            self._taken.popitem(last=False)
